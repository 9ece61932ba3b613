-- The selected tasks that a text matches: an exact name, or the start of an id.
SELECT task_id
FROM picked.tasks
WHERE name = $name OR ($start <> '' AND starts_with(task_id, $start))
ORDER BY task_id
