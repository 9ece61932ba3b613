-- Which of the given points are suspect zeros. The separate lists let DuckDB skip other tasks and
-- metrics before it examines any curve.
SELECT task_id, metric, variant, iteration
FROM suspects($marks::DOUBLE[])
WHERE list_contains($metrics::VARCHAR[], metric)
    AND list_contains($task_ids::VARCHAR[], task_id)
    AND (task_id, metric, variant, iteration) IN (
        SELECT (
            unnest($task_ids), unnest($metrics), unnest($variants::VARCHAR[]),
            unnest($iterations::BIGINT[])
        )
    )
ORDER BY ALL;
