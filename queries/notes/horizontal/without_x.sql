-- Tasks that have a metric, but at some or all of its points none that is the horizontal axis.
WITH partners AS (
    SELECT
        task_id,
        first_iteration AS first_x,
        n_nonfinite + n_null > 0 AS has_gaps
    FROM series
    WHERE metric = $x_metric::VARCHAR
        AND variant = $x_variant::VARCHAR
        AND first_iteration IS NOT NULL
)
SELECT
    count(DISTINCT task_id) AS n_tasks,
    count(DISTINCT task_id) FILTER (first_x IS NULL) AS n_without,
    count(DISTINCT task_id) FILTER (first_iteration < first_x) AS n_before,
    count(DISTINCT task_id) FILTER (has_gaps) AS n_with_gaps
FROM series
LEFT JOIN partners USING (task_id)
WHERE first_iteration IS NOT NULL
    AND is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN);
