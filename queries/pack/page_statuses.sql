-- Tasks by their status on the server, the usual one first.
SELECT coalesce(status, '(unknown)') AS status, count(*) AS n_tasks
FROM tasks
GROUP BY ALL
ORDER BY n_tasks DESC, status
LIMIT $top::BIGINT;
