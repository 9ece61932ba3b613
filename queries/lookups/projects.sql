-- Projects with their names; one without a name has its id instead.
SELECT project_id, coalesce(any_value(project), project_id)
FROM files.tasks
WHERE project_id IS NOT NULL
GROUP BY project_id
