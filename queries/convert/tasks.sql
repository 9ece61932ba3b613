-- The tasks of a copy: those that have values of the chosen series, in the order of their ids.
SELECT
    task_id,
    name,
    coalesce(project, '') AS project,
    status,
    web_url,
    epoch_ms(created) AS created,
    n_values,
    n_null,
    n_nonfinite,
    n_long,
    n_longest
FROM tasks
JOIN (
    SELECT
        task_id,
        sum(n - n_null)::BIGINT AS n_values,
        sum(n_null)::BIGINT AS n_null,
        sum(n_nonfinite)::BIGINT AS n_nonfinite,
        count(*) FILTER (n > $most::BIGINT) AS n_long,
        max(n) AS n_longest
    FROM series
    WHERE is_listed(metric, variant, $metrics::VARCHAR[], $variants::VARCHAR[])
    GROUP BY task_id
    HAVING n_values > 0
) USING (task_id)
ORDER BY task_id;
