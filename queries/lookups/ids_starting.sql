-- The first stored task ids that start with a text.
SELECT task_id
FROM files.tasks
WHERE starts_with(task_id, $start)
ORDER BY task_id
LIMIT $most
