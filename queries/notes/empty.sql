-- Counts what the snapshot contains for a query, to explain why its answer is empty.
SELECT
    (
        SELECT count(*)
        FROM tasks
        WHERE $tasks::VARCHAR[] IS NULL OR list_contains($tasks, task_id)
    ) AS n_tasks,
    count(DISTINCT task_id) AS n_having,
    count(DISTINCT task_id) FILTER (first_iteration IS NOT NULL) AS n_with_iterations,
    coalesce(sum(n), 0)::BIGINT AS n_points,
    coalesce(sum(n_nonfinite + n_null), 0)::BIGINT AS n_not_finite,
    min(min) AS lowest,
    max(max) AS highest
FROM series
WHERE is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
    AND ($tasks IS NULL OR list_contains($tasks, task_id));
