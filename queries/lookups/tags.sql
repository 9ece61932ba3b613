-- Every tag of a stored task.
SELECT DISTINCT unnest(tags)
FROM files.tasks
