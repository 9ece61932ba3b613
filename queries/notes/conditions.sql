-- The extremes of a series that are 0, of all stored tasks, with the number of points of each.
SELECT
    task_id,
    metric,
    variant,
    CASE $which::VARCHAR WHEN 'max' THEN max_iteration ELSE min_iteration END AS iteration,
    n
FROM files.series
WHERE metric = $metric
    AND variant = $variant
    AND CASE $which WHEN 'max' THEN max ELSE min END = 0
    AND iteration IS NOT NULL
