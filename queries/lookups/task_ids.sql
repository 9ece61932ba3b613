-- The selected tasks.
SELECT task_id
FROM tasks
