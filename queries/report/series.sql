-- The series of a report, those with a curve numbered.
SELECT
    metric,
    variant,
    task_id,
    n,
    n_nonfinite,
    n_null,
    min,
    min_iteration,
    max,
    max_iteration,
    last,
    last_iteration,
    CASE
        WHEN first_iteration IS NOT NULL THEN row_number() OVER (ORDER BY metric, variant, task_id)
    END AS curve
FROM series
WHERE is_listed(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[])
    AND ($task_ids::VARCHAR[] IS NULL OR task_id IN (SELECT unnest($task_ids)))
ORDER BY metric, variant, task_id;
