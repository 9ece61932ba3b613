-- The rows of some tasks in summary.csv: one per task × metric × variant; one for a task without
-- series.
--
-- n_suspect_zeros counts the values that are probably NaN, logged as 0; NULL: not examined.
WITH suspect AS (
    SELECT
        unnest($suspect_tasks::VARCHAR[]) AS task_id,
        unnest($suspect_metrics::VARCHAR[]) AS metric,
        unnest($suspect_variants::VARCHAR[]) AS variant,
        unnest($suspect_counts::BIGINT[]) AS n_suspect_zeros
),
wanted AS (
    SELECT
        unnest($task_ids::VARCHAR[]) AS task_id,
        generate_subscripts($task_ids::VARCHAR[], 1) AS place
)
SELECT
    tasks.name AS task,
    task_id,
    tasks.project,
    tasks.status,
    array_to_string(tasks.tags, ', ') AS tags,
    metric,
    variant,
    n AS n_points,
    n_nonfinite,
    n_null,
    CASE
        WHEN metric IS NOT NULL AND $suspect_counts IS NOT NULL THEN coalesce(n_suspect_zeros, 0)
    END AS n_suspect_zeros,
    min,
    min_iteration,
    max,
    max_iteration,
    mean,
    std,
    first,
    last,
    series.last_iteration,
    tasks.state,
    tasks.web_url
FROM wanted
JOIN tasks USING (task_id)
LEFT JOIN series USING (task_id)
LEFT JOIN suspect USING (task_id, metric, variant)
ORDER BY place, metric, variant;
