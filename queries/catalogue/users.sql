-- All users, with the number of their tasks and points.
--
-- Users are those who own tasks; two users may have the same name. Tasks without a user have a row of
-- their own. n_points counts everything that is stored, including :monitor: metrics.
--
-- :answer user, n_tasks, n_projects, n_points
-- :example --project nlp
SELECT
    "user",
    user_id,
    count(*) AS n_tasks,
    count(DISTINCT project_id) AS n_projects,
    coalesce(sum(n_points), 0)::BIGINT AS n_points,
    min(created) AS first_created,
    max(created) AS last_created
FROM tasks
LEFT JOIN (
    SELECT task_id, sum(n)::BIGINT AS n_points
    FROM series
    GROUP BY task_id
) AS counted USING (task_id)
GROUP BY "user", user_id
ORDER BY n_tasks DESC, "user" NULLS LAST, user_id NULLS LAST;
