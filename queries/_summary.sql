-- Some tasks of summary.csv: one row a task × metric × variant; a task without series has one too.
WITH wanted AS (
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
ORDER BY place, metric, variant;
