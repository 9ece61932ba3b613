-- Tasks that are new, changed or gone; those that have become less complete come first.
--
-- The order: tasks that are no longer complete, those without a row, changed ones (rewritten points
-- first), new ones. Name and project are the current ones; those of a task that is gone are the
-- previous ones.
WITH was AS (
    SELECT task_id, sum(n)::BIGINT AS points FROM before.series GROUP BY task_id
),
now AS (
    SELECT task_id, sum(n)::BIGINT AS points FROM after.series GROUP BY task_id
),
moved AS (
    SELECT
        task_id,
        sum(n_new)::BIGINT AS n_new,
        sum(n_changed)::BIGINT AS n_changed,
        sum(n_gone)::BIGINT AS n_gone
    FROM diff.moved
    GROUP BY task_id
),
about AS (
    SELECT task_id, list(what ORDER BY what) AS names FROM diff.columns GROUP BY task_id
)
SELECT
    CASE
        WHEN old.task_id IS NULL THEN 'new'
        WHEN young.task_id IS NULL THEN 'gone'
        ELSE 'changed'
    END AS change,
    coalesce(young.name, old.name) AS task,
    task_id,
    coalesce(young.project, old.project) AS project,
    old.state AS state_before,
    young.state AS state_after,
    coalesce(was.points, 0) AS points_before,
    coalesce(now.points, 0) AS points_after,
    coalesce(n_new, 0) AS n_new,
    coalesce(n_changed, 0) AS n_changed,
    coalesce(n_gone, 0) AS n_gone,
    coalesce(about.names, []) AS columns_changed
FROM before.tasks AS old
FULL JOIN after.tasks AS young USING (task_id)
LEFT JOIN was USING (task_id)
LEFT JOIN now USING (task_id)
LEFT JOIN moved USING (task_id)
LEFT JOIN about USING (task_id)
WHERE old.task_id IS NULL
    OR young.task_id IS NULL
    OR moved.task_id IS NOT NULL
    OR about.task_id IS NOT NULL
ORDER BY
    CASE
        WHEN change = 'changed' AND state_after <> 'complete' AND state_after <> state_before THEN 1
        ELSE 1 + list_position(['gone', 'changed', 'new'], change)
    END,
    coalesce(n_changed, 0) + coalesce(n_gone, 0) DESC,
    coalesce(n_new, 0) DESC,
    task_id;
