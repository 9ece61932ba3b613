-- How many of the selected tasks have the selected metrics, and in which states they are.
SELECT
    count(*) AS selected,
    count(*) FILTER (has_it) AS "having",
    count(*) FILTER (has_it AND status = 'in_progress') AS running,
    count(*) FILTER (has_it AND status = 'queued') AS queued,
    count(*) FILTER (has_it AND status = 'created') AS draft,
    count(*) FILTER (has_it AND status = 'failed') AS failed,
    count(*) FILTER (has_it AND status = 'stopped') AS stopped,
    count(*) FILTER (has_it AND archived) AS archived,
    count(*) FILTER (has_it AND state = 'gone') AS gone,
    count(*) FILTER (has_it AND state = 'shrunk') AS shrunk,
    count(*) FILTER (state = 'partial') AS partial,
    count(*) FILTER (state = 'failed') AS unreadable,
    count(*) FILTER (state = 'unread') AS unread,
    count(*) FILTER (state = 'lost') AS lost,
    count(*) FILTER (
        state = 'gone'
        AND (points_expected > points_stored OR (points_expected IS NULL AND points_stored = 0))
    ) AS gone_before
FROM (
    SELECT
        *,
        task_id IN (
            SELECT task_id
            FROM series
            WHERE is_chosen(
                metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN
            )
        ) AS has_it
    FROM tasks
    WHERE $tasks::VARCHAR[] IS NULL OR list_contains($tasks, task_id)
);
