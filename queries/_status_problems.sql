-- Tasks that are not whole here, those that can be mended first.
SELECT task_id, name, state, reason
FROM tasks
WHERE state <> 'complete'
ORDER BY
    list_position(['failed', 'partial', 'shrunk', 'gone'], state) NULLS LAST,
    fetched_at DESC,
    task_id
LIMIT $top::BIGINT;
