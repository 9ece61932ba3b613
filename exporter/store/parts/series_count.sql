-- The approximate number of series of some points, to choose in how many shares to compute them.
SELECT approx_count_distinct(hash(task_id, metric, variant)) AS series
FROM read_parquet($files::VARCHAR[]);
