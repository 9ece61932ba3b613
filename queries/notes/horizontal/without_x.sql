-- Tasks that have a metric, but at some or all of its points none that is the horizontal axis; and
-- those whose horizontal axis certainly goes up and down, as its first and last value are not its ends.
WITH partners AS (
    SELECT
        task_id,
        first_iteration AS first_x,
        n_nonfinite + n_null > 0 AS has_gaps,
        isfinite(first)
        AND isfinite(last)
        AND NOT (least(first, last) = min AND greatest(first, last) = max) AS turns
    FROM series
    WHERE metric = $x_metric::VARCHAR
        AND variant = $x_variant::VARCHAR
        AND first_iteration IS NOT NULL
)
SELECT
    count(DISTINCT task_id) AS n_tasks,
    count(DISTINCT task_id) FILTER (first_x IS NULL) AS n_without,
    count(DISTINCT task_id) FILTER (first_iteration < first_x) AS n_before,
    count(DISTINCT task_id) FILTER (has_gaps) AS n_with_gaps,
    count(DISTINCT task_id) FILTER (turns) AS n_turning
FROM series
LEFT JOIN partners USING (task_id)
WHERE first_iteration IS NOT NULL
    AND is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN);
