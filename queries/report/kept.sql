-- The points of curves that are included: all of a short curve, and of a long one what is thinned.
WITH sizes AS (
    SELECT curve, count(*) AS n FROM report_points GROUP BY curve
)
SELECT curve, x, value, time
FROM report_points
JOIN sizes USING (curve)
WHERE n <= $most::BIGINT OR (curve, x) IN (SELECT (curve, x) FROM report_kept)
ORDER BY curve, x;
