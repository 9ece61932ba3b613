-- Tasks by status on the server, the most frequent first.
SELECT coalesce(status, '(unknown)') AS status, count(*) AS n_tasks
FROM tasks
GROUP BY ALL
ORDER BY n_tasks DESC, status
LIMIT $top::BIGINT;
