-- The highest, lowest or last value of a series in each task that has it; NULL if none is finite.
SELECT
    task_id,
    CASE $which::VARCHAR WHEN 'max' THEN max WHEN 'min' THEN min ELSE last END
FROM files.series
WHERE metric = $metric
    AND variant = $variant
