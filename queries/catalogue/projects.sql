-- All projects, with the number of their tasks and points.
--
-- A task counts for its own project only, not for the projects above it. Tasks without a project
-- have a row of their own. n_points counts everything that is stored, including :monitor: metrics;
-- last_update is the newest of the tasks'.
--
-- :answer project, n_tasks, n_completed, n_failed, n_running, n_points
-- :example --status completed
SELECT
    project,
    project_id,
    count(*) AS n_tasks,
    count(*) FILTER (status = 'completed') AS n_completed,
    count(*) FILTER (status = 'failed') AS n_failed,
    count(*) FILTER (status = 'in_progress') AS n_running,
    count(*) FILTER (archived) AS n_archived,
    coalesce(sum(n_points), 0)::BIGINT AS n_points,
    max(last_update) AS last_update
FROM tasks
LEFT JOIN (
    SELECT task_id, sum(n)::BIGINT AS n_points
    FROM series
    GROUP BY task_id
) AS counted USING (task_id)
GROUP BY project, project_id
ORDER BY project NULLS LAST, project_id NULLS LAST;
