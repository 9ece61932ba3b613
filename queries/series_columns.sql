-- The columns of series that views and macros need: binding this shows whether they exist.
SELECT
    task_id,
    metric,
    variant,
    max,
    max_iteration,
    max_timestamp,
    min,
    min_iteration,
    min_timestamp,
    last,
    last_iteration,
    last_timestamp,
    mean
FROM series
