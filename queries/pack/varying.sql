-- The hyperparameters that are not equal in all tasks, and how many there are.
--
-- First are those with different values, then short values (a path is one of the last), then what
-- most tasks have. Numbers are compared as numbers. n_characters is what a column of it adds to summary.csv, where
-- the value of a task is in each of its rows.
WITH summary_rows AS (
    SELECT task_id, greatest(count(series.task_id), 1) AS n_rows
    FROM tasks
    LEFT JOIN series USING (task_id)
    GROUP BY task_id
),
settings AS (
    SELECT
        task_id,
        section || '/' || name AS key,
        arg_min(value, section) AS text,
        number_in(text) AS number
    FROM hyperparams
    GROUP BY task_id, key
),
compared AS (
    SELECT
        key,
        count(*) AS n_tasks,
        min(text) IS DISTINCT FROM max(text)
        AND NOT coalesce(count(number) = count(*) AND min(number) = max(number), false) AS differs,
        count(*) < (SELECT count(*) FROM tasks) OR count(text) BETWEEN 1 AND count(*) - 1 AS is_partial,
        coalesce(max(length(text)) > $short::BIGINT, false) AS is_long,
        sum(n_rows * least(coalesce(length(text), 0), $longest::BIGINT))::BIGINT AS n_characters
    FROM settings
    JOIN summary_rows USING (task_id)
    GROUP BY key
)
SELECT
    key,
    n_tasks,
    n_characters + (SELECT sum(n_rows) FROM summary_rows)::BIGINT AS n_characters,
    count(*) OVER () AS n_varying
FROM compared
WHERE differs OR is_partial
ORDER BY differs DESC, is_long, n_tasks DESC, key
LIMIT $top::BIGINT;
