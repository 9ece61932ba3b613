-- The series of some tasks: the columns of SeriesOutline in their order.
SELECT
    task_id,
    metric,
    variant,
    n,
    first_iteration,
    last_iteration,
    server_count,
    server_min,
    server_max
FROM read_parquet($files)
WHERE task_id IN (SELECT unnest($ids::VARCHAR[]))
