-- The figures of a complete snapshot for the overview page, in one row.
WITH named AS (
    SELECT
        metric,
        variant,
        starts_with(metric, ':monitor:') AS is_monitor,
        sum(n_nonfinite)::BIGINT AS n_nonfinite,
        sum(n_null)::BIGINT AS n_null
    FROM series
    GROUP BY metric, variant
),
over_names AS (
    SELECT
        count(*) FILTER (NOT is_monitor) AS n_named,
        count(*) FILTER (is_monitor) AS n_monitor,
        coalesce(sum(n_nonfinite), 0)::BIGINT AS n_nonfinite,
        coalesce(sum(n_null), 0)::BIGINT AS n_null,
        count(*) FILTER (n_nonfinite > 0 OR n_null > 0) AS n_odd
    FROM named
),
over_tasks AS (
    SELECT
        min(created) AS first_created,
        max(created) AS last_created,
        min(fetched_at) AS first_fetched,
        max(fetched_at) AS last_fetched,
        count(*) FILTER (status = 'in_progress') AS n_running,
        count(*) FILTER (archived) AS n_archived,
        count(*) FILTER (metric_filter IS NOT NULL) AS n_filtered,
        count(*) FILTER (NOT selected) AS n_no_longer_selected,
        count(*) FILTER (state <> 'complete') AS n_problems,
        count(*) FILTER (state = 'unread') AS n_unread,
        coalesce(sum(redacted), 0)::BIGINT AS n_redacted,
        count(*) FILTER (
            state <> 'unread' AND task_id NOT IN (SELECT task_id FROM series)
        ) AS n_empty
    FROM tasks
)
SELECT over_names.*, over_tasks.*, (SELECT count(*) FROM series) + n_empty + n_unread AS n_summary
FROM over_names
CROSS JOIN over_tasks;
