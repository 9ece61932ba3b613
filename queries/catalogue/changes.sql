-- What the last export added or changed, one row per task.
--
-- change is one of: new (created on the server since the previous export began, or read by the
-- first export); read again (an older task whose points were read because it continued or was
-- selected for the first time); shrunk (read again, but the server has lost points, which are kept
-- here); gone (no longer on the server); refreshed (only the task's details were read, not its
-- points). A snapshot does not store the previous state of a task. For gone it stores only the day,
-- so an earlier export of the same day may have noticed it; a refreshed task is listed only if the
-- server updated it since the previous export. n_points counts all stored points of a task, not
-- only the added ones. The view exports has the counts of each export.
--
-- :answer change, task, task_id, state, n_points
-- :example --limit 3
WITH runs AS (
    SELECT
        started,
        tasks_gone,
        lead(started) OVER newest_first AS before,
        row_number() OVER newest_first AS place
    FROM exports
    WINDOW newest_first AS (ORDER BY started DESC, export_id)
),
marked AS (
    SELECT
        tasks.*,
        CASE
            WHEN state = 'gone'
                THEN CASE
                    WHEN noticed >= runs.started::DATE AND coalesce(tasks_gone > 0, true)
                        THEN 'gone'
                END
            WHEN fetched_at >= runs.started AND state = 'shrunk' THEN 'shrunk'
            WHEN fetched_at >= runs.started AND (before IS NULL OR created >= before) THEN 'new'
            WHEN fetched_at >= runs.started THEN 'read again'
            WHEN greatest(last_update, last_change, status_changed) >= before THEN 'refreshed'
        END AS change
    FROM (
        SELECT
            *,
            try_cast(
                regexp_extract(reason, '^gone from the server, noticed ([0-9-]{10})', 1) AS DATE
            ) AS noticed
        FROM tasks
    ) AS tasks
    CROSS JOIN (FROM runs WHERE place = 1) AS runs
)
SELECT
    change,
    name AS task,
    task_id,
    project,
    status,
    state,
    reason,
    points_stored AS n_points,
    last_iteration,
    created,
    last_update,
    fetched_at,
    web_url
FROM marked
WHERE change IS NOT NULL
ORDER BY
    list_position(['new', 'read again', 'shrunk', 'refreshed', 'gone'], change),
    last_update DESC NULLS LAST,
    task_id;
