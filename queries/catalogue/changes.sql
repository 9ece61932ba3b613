-- What the last export added or moved, one row a task.
--
-- change is one of: new (made on the server since the export before began, or there was none);
-- read again (its points were read, and it is older: it went on, or was selected for the first
-- time); shrunk (read again, and the server has lost points that stay here); gone (noticed to be
-- gone from the server); refreshed (only what is known of the task was read, not its points).
-- One snapshot tells no more: it does not hold what a task was before; gone is known by its day,
-- so that an earlier export of the same day may have noticed it; a refreshed task is seen only if
-- the server updated it since the export before. n_points is all that is stored of a task, not
-- what was added. exports has the counts of each export.
--
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
