-- The size of the series of each task that a query is about, in the order of names and ids.
SELECT coalesce(size, 0) AS size
FROM (SELECT task_id, name FROM picked.tasks) AS tasks
FULL JOIN (
    SELECT
        task_id,
        sum(
            size_in_part(
                $points_each::BIGINT, $deciding::VARCHAR, $marks::DOUBLE[], n, max, min, last
            )
        ) FILTER (
            $every::BOOLEAN
            OR is_chosen(
                metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN
            )
        )::BIGINT AS size
    FROM picked.series
    GROUP BY task_id
) AS sizes USING (task_id)
ORDER BY name NULLS LAST, task_id;
