-- The tasks for which an iteration in the server's summary is not stored, or has a value other than
-- the extreme.
WITH claimed AS (
    SELECT named.*, n, unnest([
        {'at': low_at, 'claim': low},
        {'at': high_at, 'claim': high},
        {'at': first_at, 'claim': NULL}
    ], recursive := true)
    FROM named JOIN read_parquet($series) AS series USING (task_id, metric, variant)
)
SELECT DISTINCT claimed.task_id
FROM claimed
LEFT JOIN read_parquet($files, hive_partitioning = false) AS points
    ON points.task_id = claimed.task_id AND points.metric = claimed.metric
    AND points.variant = claimed.variant AND coalesce(points.iteration, $single) = claimed.at
WHERE claimed.at IS NOT NULL AND (
    points.task_id IS NULL
    OR (NOT $is_reread AND claimed.reports = claimed.n AND claim <> points.value)
)
