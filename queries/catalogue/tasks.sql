-- All tasks, one row each, newest first.
--
-- seconds is how long a task ran: the active time if the server reports one, else from its start
-- to its end, or to its last update while it is running. last_iteration is as reported by the
-- server. n_series and n_points count everything that is stored, including :monitor: metrics and
-- single values. state shows whether that is everything: complete, partial, failed, unread (not
-- read yet), lost (the server had lost points before they were read), or gone or shrunk on the
-- server since then.
--
-- :answer task, task_id, status, created
-- :example --project speech --limit 3
SELECT
    name AS task,
    task_id,
    project,
    type,
    status,
    "user",
    tags,
    created,
    coalesce(active_duration, date_sub('second', started, coalesce(completed, last_update)))
        AS seconds,
    last_iteration,
    coalesce(n_series, 0) AS n_series,
    coalesce(n_points, 0) AS n_points,
    state,
    archived,
    web_url
FROM tasks
LEFT JOIN (
    SELECT task_id, count(*) AS n_series, sum(n)::BIGINT AS n_points
    FROM series
    GROUP BY task_id
) AS counted USING (task_id)
ORDER BY created DESC NULLS LAST, task_id;
