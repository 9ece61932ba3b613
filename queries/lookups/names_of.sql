-- The names of some selected tasks.
SELECT task_id, name
FROM picked.tasks
WHERE list_contains($ids::VARCHAR[], task_id)
