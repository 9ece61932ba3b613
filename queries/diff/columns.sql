-- Which columns of tasks, and params, changed for the tasks that both snapshots have.
--
-- When a task was read, and which part of it, is not a property of the task; its points are
-- compared one by one. $missing_columns are the columns that the format of one side does not have.
-- selected is NULL, which means true, in rows that come from such a snapshot.
WITH was AS (
    UNPIVOT (
        SELECT
            task_id,
            COLUMNS(* EXCLUDE (task_id, fetched_at, fingerprint, points_stored))::VARCHAR
        FROM (SELECT * REPLACE (coalesce(selected, true) AS selected) FROM before_own.tasks)
        SEMI JOIN after_own.tasks AS now USING (task_id)
    )
    ON COLUMNS(* EXCLUDE (task_id)) INTO NAME what VALUE value
),
now AS (
    UNPIVOT (
        SELECT
            task_id,
            COLUMNS(* EXCLUDE (task_id, fetched_at, fingerprint, points_stored))::VARCHAR
        FROM (SELECT * REPLACE (coalesce(selected, true) AS selected) FROM after_own.tasks)
        SEMI JOIN before_own.tasks AS was USING (task_id)
    )
    ON COLUMNS(* EXCLUDE (task_id)) INTO NAME what VALUE value
)
SELECT task_id, what
FROM was
FULL JOIN now USING (task_id, what)
WHERE was.value IS DISTINCT FROM now.value AND NOT list_contains($missing_columns::VARCHAR[], what)
UNION ALL
SELECT DISTINCT task_id, 'params'
FROM (
    (
        SELECT task_id, section, name, value, type FROM before_own.hyperparams
        EXCEPT
        SELECT task_id, section, name, value, type FROM after_own.hyperparams
    )
    UNION ALL
    (
        SELECT task_id, section, name, value, type FROM after_own.hyperparams
        EXCEPT
        SELECT task_id, section, name, value, type FROM before_own.hyperparams
    )
)
SEMI JOIN before.tasks AS old USING (task_id)
SEMI JOIN after.tasks AS young USING (task_id);
