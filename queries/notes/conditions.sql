-- The values of a series that conditions compared and that are a mark, of all stored tasks, with the
-- number of points of each.
SELECT task_id, metric, variant, iteration, n
FROM (
    SELECT
        *,
        CASE $which::VARCHAR WHEN 'max' THEN max WHEN 'min' THEN min ELSE last END AS value,
        CASE $which
            WHEN 'max' THEN max_iteration
            WHEN 'min' THEN min_iteration
            ELSE last_iteration
        END AS iteration
    FROM files.series
    WHERE metric = $metric AND variant = $variant
)
WHERE value = $mark::DOUBLE
