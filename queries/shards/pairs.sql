-- The number of series of each metric and variant that a query is about, and its size: its points or,
-- for a query that reads the table series, points_each for each series, and the points of series
-- that must be examined for suspect zeros. deciding is the value that the answer uses if such zeros
-- are excluded, marks are the values that NaN was logged as.
SELECT
    metric,
    variant,
    count(*) AS n_series,
    CASE
        WHEN $points_each::BIGINT IS NULL THEN sum(n)
        ELSE count(*) * $points_each + coalesce(
            sum(n) FILTER (
                list_contains(
                    $marks::DOUBLE[],
                    CASE $deciding::VARCHAR WHEN 'max' THEN max WHEN 'min' THEN min ELSE last END
                )
            ),
            0
        )
    END::BIGINT AS size
FROM series
WHERE $every::BOOLEAN
    OR is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
GROUP BY ALL
ORDER BY ALL
