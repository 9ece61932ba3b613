-- The points of some series by task, and the columns of tasks about them.
SELECT
    task_id,
    any_value(tasks.state) AS state,
    any_value(tasks.points_bad) AS points_bad,
    any_value(tasks.metric_filter) AS metric_filter,
    coalesce(sum(chosen.n), 0)::BIGINT AS n
FROM tasks
LEFT JOIN (
    FROM series
    SEMI JOIN (SELECT unnest($metrics) AS metric, unnest($variants) AS variant)
        USING (metric, variant)
) AS chosen USING (task_id)
GROUP BY task_id
ORDER BY task_id;
