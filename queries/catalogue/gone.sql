-- Tasks that the server no longer has, or whose points it has lost; the stored points are kept.
--
-- state is gone if the server no longer has the task, shrunk if it has fewer points than are
-- stored, and lost if it had lost points before they were read. reason gives the date or the number
-- of points. last_value is the wall time of the task's newest point, including :monitor: metrics.
--
-- :answer state, task, task_id, reason, n_points
-- :example
SELECT
    state,
    name AS task,
    task_id,
    project,
    status,
    archived,
    reason,
    coalesce(n_series, 0) AS n_series,
    coalesce(n_points, 0) AS n_points,
    last_value,
    fetched_at,
    web_url
FROM tasks
LEFT JOIN (
    SELECT
        task_id,
        count(*) AS n_series,
        sum(n)::BIGINT AS n_points,
        max(last_timestamp) AS last_value
    FROM series
    GROUP BY task_id
) AS counted USING (task_id)
WHERE state IN ('gone', 'shrunk', 'lost')
ORDER BY state, last_value DESC NULLS LAST, task_id;
