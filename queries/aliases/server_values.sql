-- What the server reported of series that are stored under several names: the lowest value, the
-- highest, all reports together, and the last value of the series that was reported last.
SELECT
    task_id,
    metric,
    variant,
    arg_max(
        server_last,
        {
            'time': coalesce(epoch_ms(last_timestamp), -9223372036854775808),
            'iteration': coalesce(last_iteration, -9223372036854775808),
            'value': server_last
        }
    ) AS server_last,
    min(server_min) AS server_min,
    max(server_max) AS server_max,
    sum(server_count)::BIGINT AS server_count,
    arg_min(server_min_iteration, {'value': server_min, 'iteration': server_min_iteration})
        FILTER (server_min IS NOT NULL) AS server_min_iteration,
    arg_max(server_max_iteration, {'value': server_max, 'iteration': ~server_max_iteration})
        FILTER (server_max IS NOT NULL) AS server_max_iteration
FROM files.separate_series
SEMI JOIN files.several USING (task_id, metric, variant)
GROUP BY task_id, metric, variant
