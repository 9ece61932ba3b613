-- The hyperparameters of the tasks of a report: all, or those that most tasks have, and how many.
WITH settings AS (
    SELECT
        section || '/' || name AS param,
        task_id,
        arg_min(value, section) AS value,
    FROM hyperparams
    WHERE $task_ids::VARCHAR[] IS NULL OR task_id IN (SELECT unnest($task_ids))
    GROUP BY param, task_id
),
chosen AS (
    SELECT param, count(*) OVER () AS n_params
    FROM settings
    GROUP BY param
    ORDER BY count(*) DESC, param
    LIMIT $most::BIGINT
)
SELECT
    param,
    task_id,
    CASE WHEN $most IS NULL THEN value ELSE left(value, $longest::BIGINT) END AS value,
    n_params
FROM settings
JOIN chosen USING (param)
ORDER BY param, task_id;
