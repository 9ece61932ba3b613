-- Divides the series of a metric and variant into slices of about the same number of points.
SELECT
    task_id,
    ((sum(n) OVER in_order - 1) * $slices::BIGINT // sum(n) OVER ())::BIGINT AS slice
FROM picked.series
LEFT JOIN (SELECT task_id, name FROM picked.tasks) USING (task_id)
WHERE metric = $metric AND variant = $variant
WINDOW in_order AS (ORDER BY name NULLS LAST, task_id ROWS UNBOUNDED PRECEDING)
