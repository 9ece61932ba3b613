-- The number of suspect zeros of each series that has any.
SELECT task_id, metric, variant, count(*) AS n_suspect_zeros
FROM suspect_zeros
GROUP BY task_id, metric, variant
ORDER BY task_id, metric, variant;
