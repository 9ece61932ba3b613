-- The stored metrics and variants of some tasks.
SELECT DISTINCT metric, variant
FROM read_parquet($files)
WHERE task_id IN (SELECT unnest($ids::VARCHAR[]))
