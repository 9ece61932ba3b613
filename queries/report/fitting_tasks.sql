-- The newest tasks of a dataset, as many as have so many series, those without series last.
WITH counted AS (
    SELECT tasks.task_id, tasks.created, count(series.task_id) AS n_series
    FROM tasks
    LEFT JOIN series ON tasks.task_id = series.task_id
        AND is_listed(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[])
    GROUP BY tasks.task_id, tasks.created
),
placed AS (
    SELECT task_id, row_number() OVER newest AS place, sum(n_series) OVER newest AS n_series
    FROM counted
    WINDOW newest AS (ORDER BY n_series = 0, created DESC NULLS LAST, task_id)
)
SELECT task_id
FROM placed
WHERE place <= $most_tasks::BIGINT AND n_series <= $most_series::BIGINT
ORDER BY place;
