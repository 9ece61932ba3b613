-- Every stored name of a task.
SELECT DISTINCT name
FROM files.tasks
WHERE name IS NOT NULL
