-- Every stored task.
SELECT task_id
FROM files.tasks
