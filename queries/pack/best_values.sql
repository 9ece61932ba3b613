-- The extremes of every metric and variant, each with its task and iteration.
--
-- The rules are those of the queries max and min: finite values only, ties to the earliest
-- iteration, then to the smallest task id. They are computed from the series table in one pass,
-- because 2 million series are too many for a window function.
WITH named AS (
    SELECT
        metric,
        variant,
        count(*) AS n_tasks,
        sum(n)::BIGINT AS n_points,
        min(min) AS lowest,
        max(max) AS highest
    FROM series
    WHERE NOT starts_with(metric, ':monitor:')
    GROUP BY metric, variant
    ORDER BY n_tasks DESC, metric, variant
    LIMIT $top::BIGINT
),
ends AS (
    SELECT metric, variant, 'lowest' AS which, min AS value, min_iteration AS iteration, task_id
    FROM series
    JOIN named USING (metric, variant)
    WHERE min = lowest
    UNION ALL
    SELECT metric, variant, 'highest' AS which, max AS value, max_iteration AS iteration, task_id
    FROM series
    JOIN named USING (metric, variant)
    WHERE max = highest
),
winners AS (
    FROM ends
    QUALIFY 1 = row_number() OVER (
        PARTITION BY metric, variant, which ORDER BY iteration NULLS LAST, task_id
    )
)
SELECT
    metric,
    variant,
    n_tasks,
    n_points,
    which,
    winners.value,
    iteration,
    task_id,
    tasks.name AS task,
    tasks.project,
    tasks.status,
    tasks.archived,
    tasks.web_url
FROM named
LEFT JOIN winners USING (metric, variant)
LEFT JOIN tasks USING (task_id)
ORDER BY metric, variant, which DESC;
