-- The number of series of each metric and variant that a query is about, and its size: its points, or
-- again its series.
SELECT
    metric,
    variant,
    count(*) AS n_series,
    CASE WHEN $by_series::BOOLEAN THEN count(*) ELSE sum(n)::BIGINT END AS size
FROM series
WHERE $every::BOOLEAN
    OR is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
GROUP BY ALL
ORDER BY ALL
