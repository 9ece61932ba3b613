-- Hyperparameters and their values.
--
-- Without --param, one row per hyperparameter: its value if all tasks have the same one, as with
-- --task ID; how many tasks have it, how many different values it has, and up to five examples, the
-- most frequent first. With --param, one row per value, the most
-- frequent first; n_tasks is then the number of tasks with that value. A name is section/name, such
-- as Args/lr; the name alone matches in every section. Names match exactly, else as a glob, else
-- ignoring case. Values are text, as in ClearML; NULL counts as a value.
--
-- :param param  A parameter, section/name or name, or a glob of either; several are joined with OR (default: one row per parameter).
--
-- :answer param, value, n_tasks, examples
-- :example --param 'Args/*' --project nlp
WITH named AS (
    SELECT task_id, section || '/' || name AS param, name, value
    FROM hyperparams
),
fitting AS (
    SELECT
        param,
        typed,
        CASE
            WHEN param = typed OR name = typed THEN 1
            WHEN param GLOB typed OR name GLOB typed THEN 2
            WHEN lower(param) GLOB lower(typed) OR lower(name) GLOB lower(typed) THEN 3
        END AS how
    FROM (SELECT DISTINCT param, name FROM named)
    CROSS JOIN (SELECT unnest($param::VARCHAR[]) AS typed)
    WHERE how IS NOT NULL
    QUALIFY how = min(how) OVER (PARTITION BY typed)
),
counted AS (
    SELECT param, value, count(DISTINCT task_id) AS n_tasks
    FROM named
    WHERE $param IS NULL OR param IN (SELECT param FROM fitting)
    GROUP BY param, value
),
summed AS (
    SELECT
        param,
        count(*) AS n_values,
        list(value ORDER BY n_tasks DESC, value NULLS LAST)[:5] AS examples
    FROM counted
    GROUP BY param
),
tasks_with AS (
    SELECT param, count(DISTINCT task_id) AS n_tasks
    FROM named
    GROUP BY param
)
SELECT
    summed.param,
    CASE WHEN $param IS NULL AND n_values = 1 THEN examples[1] ELSE each.value END AS value,
    coalesce(each.n_tasks, tasks_with.n_tasks) AS n_tasks,
    n_values,
    CASE WHEN $param IS NULL AND n_values > 1 THEN examples END AS examples
FROM summed
LEFT JOIN tasks_with USING (param)
LEFT JOIN (FROM counted WHERE $param IS NOT NULL) AS each USING (param)
ORDER BY param, n_tasks DESC, each.value NULLS LAST;
