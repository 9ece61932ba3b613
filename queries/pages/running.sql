-- Tasks that had not ended when they were read.
SELECT task_id, name AS task, project, last_update, web_url
FROM tasks
WHERE status = 'in_progress'
ORDER BY project NULLS LAST, name NULLS LAST, task_id
LIMIT $top::BIGINT;
