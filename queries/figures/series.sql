-- The series of a figure, numbered in the order of its legend, with what a label may need.
SELECT
    row_number() OVER (ORDER BY metric, variant, name NULLS LAST, series.task_id) AS curve,
    metric,
    variant,
    series.task_id AS task_id,
    coalesce(name, '') AS task,
    coalesce(project, '') AS project,
    coalesce(user, '') AS user,
    coalesce(list_sort(tags), []) AS tags,
    min AS lowest,
    max AS highest,
    n
FROM series_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[]) AS series
LEFT JOIN tasks USING (task_id)
WHERE first_iteration IS NOT NULL
    AND is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
    AND ($x_metric::VARCHAR IS NULL OR series.task_id IN (
        SELECT task_id
        FROM picked.series
        WHERE metric = $x_metric AND variant = $x_variant::VARCHAR AND first_iteration IS NOT NULL
    ))
ORDER BY curve;
