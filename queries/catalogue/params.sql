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
WITH grouped AS (
    SELECT section, name, value, count(*) AS n_tasks
    FROM hyperparams
    GROUP BY ALL
),
-- A task has a section and name once. Sections and names may contain a slash, so two of them may have
-- one name here: only for these are tasks counted once, which takes a set of tasks for each value.
names AS MATERIALIZED (
    SELECT
        section,
        name,
        section || '/' || name AS param,
        count(*) OVER (PARTITION BY section || '/' || name) > 1 AS is_shared
    FROM (SELECT DISTINCT section, name FROM grouped)
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
    FROM names
    CROSS JOIN (SELECT unnest($param::VARCHAR[]) AS typed)
    WHERE how IS NOT NULL
    QUALIFY how = min(how) OVER (PARTITION BY typed)
),
shared AS (
    SELECT task_id, param, value
    FROM hyperparams
    JOIN (FROM names WHERE is_shared) AS several USING (section, name)
),
counted AS (
    SELECT param, value, n_tasks
    FROM (
        SELECT param, value, n_tasks
        FROM grouped
        JOIN names USING (section, name)
        WHERE NOT is_shared
        UNION ALL
        SELECT param, value, count(DISTINCT task_id) AS n_tasks
        FROM shared
        GROUP BY param, value
    )
    WHERE $param IS NULL OR param IN (SELECT param FROM fitting)
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
    SELECT param, sum(n_tasks)::BIGINT AS n_tasks
    FROM grouped
    JOIN names USING (section, name)
    WHERE NOT is_shared
    GROUP BY param
    UNION ALL
    SELECT param, count(DISTINCT task_id) AS n_tasks
    FROM shared
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
