-- The selected tasks with every column, the oldest first.
SELECT *
FROM tasks
ORDER BY created NULLS LAST, task_id
