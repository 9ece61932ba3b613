-- All tags, with the number of tasks that have them.
--
-- n_projects counts the projects of these tasks; first_created and last_created are the times of the
-- oldest and the newest of them.
--
-- :answer tag, n_tasks, first_created, last_created
-- :example --project vision
SELECT
    tag,
    count(DISTINCT task_id) AS n_tasks,
    count(DISTINCT project_id) AS n_projects,
    min(created) AS first_created,
    max(created) AS last_created
FROM (
    SELECT unnest(tags) AS tag, task_id, project_id, created
    FROM tasks
)
GROUP BY tag
ORDER BY n_tasks DESC, tag;
