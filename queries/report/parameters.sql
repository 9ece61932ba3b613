-- The hyperparameters of the tasks of a report: all, or those that most tasks have, and how many.
-- kind numbers the different values of one, 1e-3 and 0.001 being the same; NULL has none.
WITH settings AS (
    SELECT
        section || '/' || name AS key,
        task_id,
        arg_min(value, section) AS text,
    FROM hyperparams
    WHERE $task_ids::VARCHAR[] IS NULL OR task_id IN (SELECT unnest($task_ids))
    GROUP BY key, task_id
),
chosen AS (
    SELECT key, count(*) OVER () AS n_params
    FROM settings
    GROUP BY key
    ORDER BY count(*) DESC, key
    LIMIT $most::BIGINT
),
of_chosen AS (SELECT task_id, key, text FROM settings WHERE key IN (SELECT key FROM chosen))
SELECT
    key AS param,
    task_id,
    CASE WHEN $most IS NULL THEN text ELSE left(text, $longest::BIGINT) END AS value,
    CASE
        WHEN setting IS NOT NULL THEN dense_rank() OVER (PARTITION BY key ORDER BY setting)
    END AS kind,
    n_params
FROM spelled_settings('of_chosen')
JOIN of_chosen USING (task_id, key)
JOIN chosen USING (key)
ORDER BY param, task_id;
