-- What an error tells about tasks, the newest first; the day is that of UTC.
SELECT task_id, strftime(make_timestamp(epoch_us(created)), '%Y-%m-%d') AS "day", "user", project
FROM files.tasks
WHERE list_contains($ids, task_id)
ORDER BY created DESC NULLS LAST, task_id
