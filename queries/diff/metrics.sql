-- The maxima of metrics and variants, over all tasks, that changed.
--
-- NULL: no finite value, or no such metric. Ties are decided as in the query max. :monitor: metrics
-- come last, because they are not optimised.
WITH was AS (
    SELECT metric, variant, task_id, max, max_iteration
    FROM before.series
    QUALIFY 1 = row_number() OVER (
        PARTITION BY metric, variant
        ORDER BY max DESC NULLS LAST, max_iteration NULLS LAST, task_id
    )
),
now AS (
    SELECT metric, variant, task_id, max, max_iteration
    FROM after.series
    QUALIFY 1 = row_number() OVER (
        PARTITION BY metric, variant
        ORDER BY max DESC NULLS LAST, max_iteration NULLS LAST, task_id
    )
)
SELECT
    metric,
    variant,
    was.max AS max_before,
    now.max AS max_after,
    old.name AS task_before,
    CASE WHEN was.max IS NOT NULL THEN was.task_id END AS task_id_before,
    was.max_iteration AS iteration_before,
    young.name AS task_after,
    CASE WHEN now.max IS NOT NULL THEN now.task_id END AS task_id_after,
    now.max_iteration AS iteration_after
FROM was
FULL JOIN now USING (metric, variant)
LEFT JOIN before.tasks AS old ON was.max IS NOT NULL AND old.task_id = was.task_id
LEFT JOIN after.tasks AS young ON now.max IS NOT NULL AND young.task_id = now.task_id
WHERE was.max IS DISTINCT FROM now.max
ORDER BY starts_with(metric, ':monitor:'), metric, variant;
