-- Series of which the server's own summary says something else than the points stored here.
--
-- The server counts reports, not points, and its extremes never forget: an iteration that was
-- reported again keeps its old value in them. Its last value is that of the last report.
WITH compared AS (
    SELECT
        series.task_id,
        tasks.name AS task,
        metric,
        variant,
        status = 'in_progress' AS is_running,
        state,
        unnest(
            [
                {
                    'what': 'min', 'ours': min, 'theirs': server_min,
                    'keeps_old': server_min < min
                },
                {
                    'what': 'max', 'ours': max, 'theirs': server_max,
                    'keeps_old': server_max > max
                },
                {
                    'what': 'count', 'ours': n::DOUBLE, 'theirs': server_count::DOUBLE,
                    'keeps_old': server_count > n
                },
                {'what': 'last', 'ours': last, 'theirs': server_last, 'keeps_old': true}
            ],
            recursive := true
        )
    FROM series
    LEFT JOIN tasks USING (task_id)
)
SELECT
    task,
    metric,
    variant,
    what,
    ours,
    theirs,
    CASE
        WHEN state IN ('partial', 'failed') THEN 'the task is not whole here'
        WHEN is_running THEN 'the task was running'
        WHEN state IN ('shrunk', 'gone') AND NOT keeps_old
            THEN 'points stay here that the server lost'
        WHEN what = 'last' THEN 'theirs is the last report, ours the highest iteration'
        WHEN keeps_old AND what = 'count' THEN 'each report counts, also of the same iteration'
        WHEN keeps_old THEN 'an overwritten point stays in their summary'
        ELSE 'no known reason; export it again'
    END AS why,
    (
        state IN ('partial', 'failed', 'shrunk', 'gone') OR coalesce(is_running, false) OR keeps_old
    ) AS legitimate,
    task_id
FROM compared
WHERE theirs IS NOT NULL AND ours IS NOT NULL AND ours <> theirs
ORDER BY legitimate, task, task_id, metric, variant, what;
