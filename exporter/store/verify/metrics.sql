-- The points of each metric, in the order of the files.
SELECT metric, count(*) AS points
FROM scalars
WHERE metric IS NOT NULL
GROUP BY metric
ORDER BY metric;
