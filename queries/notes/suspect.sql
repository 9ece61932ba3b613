-- Which of the given points are suspect zeros.
SELECT task_id, metric, variant, iteration
FROM suspects(
    $marks::DOUBLE[], metrics := $metrics::VARCHAR[], task_ids := $task_ids::VARCHAR[]
)
WHERE (task_id, metric, variant, iteration) IN (
    SELECT (
        unnest($task_ids), unnest($metrics), unnest($variants::VARCHAR[]),
        unnest($iterations::BIGINT[])
    )
)
ORDER BY ALL;
