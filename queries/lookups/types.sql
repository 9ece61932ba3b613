-- Every type of a stored task.
SELECT DISTINCT type
FROM files.tasks
WHERE type IS NOT NULL
