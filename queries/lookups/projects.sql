-- Projects with their names; one without a name is named by its id.
SELECT project_id, coalesce(any_value(project), project_id)
FROM files.tasks
WHERE project_id IS NOT NULL
GROUP BY project_id
