-- The numbers of new, changed, gone and equal tasks and points, in one row.
WITH tasks AS (
    SELECT
        count(*) FILTER (change = 'new') AS tasks_new,
        count(*) FILTER (change = 'changed') AS tasks_changed,
        count(*) FILTER (change = 'gone') AS tasks_gone,
        count(*) FILTER (list_contains(columns_changed, 'metric_filter')) AS asked_otherwise
    FROM diff.tasks
),
moved AS (
    SELECT
        coalesce(sum(n_new), 0)::BIGINT AS points_new,
        coalesce(sum(n_changed), 0)::BIGINT AS points_changed,
        coalesce(sum(n_gone), 0)::BIGINT AS points_gone
    FROM diff.moved
)
SELECT
    tasks_new,
    tasks_changed,
    tasks_gone,
    (SELECT count(*) FROM after.tasks) - tasks_new - tasks_changed AS tasks_same,
    asked_otherwise,
    points_new,
    points_changed,
    points_gone,
    (SELECT coalesce(sum(n), 0)::BIGINT FROM after.series) - points_new - points_changed
        AS points_same,
    (SELECT count(*) FROM diff.metrics) AS maxima_moved,
    (SELECT count(*) FROM diff.metrics WHERE starts_with(metric, ':monitor:'))
        AS monitor_maxima_moved
FROM tasks, moved;
