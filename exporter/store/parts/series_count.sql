-- About how many series some points have, to know in how many shares to compute them.
SELECT approx_count_distinct(hash(task_id, metric, variant)) AS series
FROM read_parquet($files::VARCHAR[]);
