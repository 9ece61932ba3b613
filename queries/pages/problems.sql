-- Tasks that are not complete; those that another export may complete come first.
SELECT task_id, name AS task, project, state, reason, web_url
FROM tasks
WHERE state <> 'complete'
ORDER BY
    list_position(['failed', 'partial', 'lost', 'shrunk', 'gone', 'unread'], state) NULLS LAST,
    project NULLS LAST,
    name NULLS LAST,
    task_id
LIMIT $top::BIGINT;
