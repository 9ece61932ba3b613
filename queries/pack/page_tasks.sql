-- The first tasks in the order of summary.csv.
SELECT task_id, name AS task, project, status, state, archived, web_url
FROM tasks
ORDER BY project NULLS LAST, name NULLS LAST, task_id
LIMIT $top::BIGINT;
