-- The selected tasks with their names.
SELECT task_id, name
FROM picked.tasks
WHERE name IS NOT NULL
ORDER BY name, task_id
