-- The size of each task for a query, in the order of their names and ids: its points, or its series.
SELECT coalesce(size, 0) AS size
FROM (SELECT task_id, name FROM picked.tasks) AS tasks
FULL JOIN (
    SELECT
        task_id,
        CASE
            WHEN $by_series::BOOLEAN THEN count(*) FILTER (is_asked)
            ELSE sum(n) FILTER (is_asked)
        END::BIGINT AS size
    FROM (
        SELECT
            task_id,
            n,
            $every::BOOLEAN OR is_chosen(
                metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN
            ) AS is_asked
        FROM picked.series
    )
    GROUP BY task_id
) AS sizes USING (task_id)
ORDER BY name NULLS LAST, task_id;
