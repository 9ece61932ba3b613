-- Projects by number of tasks. If a project has two names, that of the task read last counts.
WITH counted AS (
    SELECT task_id, count(*) AS n_series, sum(n)::BIGINT AS n_points
    FROM series
    GROUP BY task_id
)
SELECT
    project_id,
    arg_max(project, {'at': fetched_at, 'task': task_id}) AS project,
    count(*) AS n_tasks,
    coalesce(sum(n_series), 0)::BIGINT AS n_series,
    coalesce(sum(n_points), 0)::BIGINT AS n_points
FROM tasks
LEFT JOIN counted USING (task_id)
GROUP BY project_id
ORDER BY n_tasks DESC, project NULLS LAST, project_id
LIMIT $top::BIGINT;
