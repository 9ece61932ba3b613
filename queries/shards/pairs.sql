-- The number of series of each metric and variant that a query is about, and their size.
SELECT
    metric,
    variant,
    count(*) AS n_series,
    sum(
        size_in_part($points_each::BIGINT, $deciding::VARCHAR, $marks::DOUBLE[], n, max, min, last)
    )::BIGINT AS size
FROM series
WHERE $every::BOOLEAN
    OR is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
GROUP BY ALL
ORDER BY ALL
