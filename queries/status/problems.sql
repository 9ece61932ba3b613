-- Tasks that are not complete here, the most serious states first.
SELECT task_id, name, state, reason
FROM tasks
WHERE state <> 'complete'
ORDER BY
    list_position(['failed', 'partial', 'lost', 'shrunk', 'gone', 'unread'], state) NULLS LAST,
    fetched_at DESC,
    task_id
LIMIT $top::BIGINT;
