-- The series that a task has stored under several names, which are one now.
SELECT
    task_id, metric, variant, list(stored ORDER BY stored) AS stored, sum(n)::BIGINT AS n_points
FROM (
    SELECT
        rows.task_id,
        coalesce(renamed.metric, rows.metric) AS metric,
        coalesce(renamed.variant, rows.variant) AS variant,
        {'metric': rows.metric, 'variant': rows.variant} AS stored,
        rows.n
    FROM as_stored.series AS rows
    LEFT JOIN files.aliases AS renamed
        ON rows.metric = renamed.stored_metric AND rows.variant = renamed.stored_variant
    WHERE $task_ids::VARCHAR[] IS NULL OR rows.task_id IN (SELECT unnest($task_ids))
)
SEMI JOIN files.aliases USING (metric, variant)
GROUP BY task_id, metric, variant
HAVING count(*) > 1
