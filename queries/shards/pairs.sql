-- The number of series and points of each metric and variant that a query is about.
SELECT metric, variant, count(*) AS n_series, sum(n)::BIGINT AS n_points
FROM series
WHERE $every::BOOLEAN
    OR is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
GROUP BY ALL
ORDER BY ALL
