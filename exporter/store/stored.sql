-- The stored points of one task that were not fetched anew: their keys are not among the fetched.
SELECT stored.*
FROM read_parquet($stored::VARCHAR[], hive_partitioning = false) AS stored
ANTI JOIN (
    SELECT metric, variant, iteration
    FROM read_parquet($fetched::VARCHAR[], hive_partitioning = false)
) AS fetched
    ON stored.metric = fetched.metric
    AND stored.variant = fetched.variant
    AND stored.iteration IS NOT DISTINCT FROM fetched.iteration
WHERE stored.task_id = $task_id::VARCHAR;
