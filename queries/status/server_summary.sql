-- Series whose summary on the server differs from the stored points.
--
-- The server counts reports, not points, and never resets its extremes: they still include the old
-- value of an iteration that was reported again. Its last value is that of the last report.
--
-- Overwriting never removes an iteration: if the summary names one at which no point is stored, the
-- server lost points before they were read.
WITH doubtful AS (
    SELECT task_id, metric, variant, server_min_iteration, server_max_iteration
    FROM series
    WHERE server_count > n OR server_min < min OR server_max > max
),
beyond AS (
    SELECT DISTINCT task_id, metric, variant
    FROM (
        SELECT
            task_id, metric, variant,
            unnest([server_min_iteration, server_max_iteration]) AS iteration
        FROM doubtful
        EXCEPT
        SELECT scalars.task_id, metric, variant, coalesce(iteration, -2147483648)
        FROM scalars
        INNER JOIN doubtful USING (task_id, metric, variant)
        WHERE
            coalesce(iteration, -2147483648) IN (server_min_iteration, server_max_iteration)
    )
    WHERE iteration IS NOT NULL
),
compared AS (
    SELECT
        series.task_id,
        tasks.name AS task,
        metric,
        variant,
        status = 'in_progress' AS is_running,
        state,
        beyond.task_id IS NOT NULL AS has_lost,
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
    LEFT JOIN beyond USING (task_id, metric, variant)
)
SELECT
    task,
    metric,
    variant,
    what,
    ours,
    theirs,
    CASE
        WHEN state IN ('partial', 'failed') THEN 'the task is not complete here'
        WHEN has_lost AND keeps_old AND what <> 'last'
            THEN 'lost on the server: no point at an iteration that it names'
        WHEN is_running THEN 'the task was running'
        WHEN state IN ('shrunk', 'gone') AND NOT keeps_old
            THEN 'points stay here that the server lost'
        WHEN what = 'last' THEN 'theirs is the last report, ours the highest iteration'
        WHEN keeps_old AND what = 'count'
            THEN 'overwritten, which counts each report, or lost on the server'
        WHEN keeps_old THEN 'an overwritten point stays in their summary'
        ELSE 'no known reason; export it again'
    END AS why,
    (
        state IN ('partial', 'failed', 'shrunk', 'gone')
        OR coalesce(is_running, false)
        OR (keeps_old AND (what = 'last' OR NOT has_lost))
    ) AS legitimate,
    task_id
FROM compared
WHERE theirs IS NOT NULL AND ours IS NOT NULL AND ours <> theirs
ORDER BY legitimate, task, task_id, metric, variant, what;
