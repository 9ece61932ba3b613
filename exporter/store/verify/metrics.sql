-- The points of each metric, in the order of the files.
SELECT metric, sum(n)::BIGINT AS points
FROM runs
GROUP BY metric
ORDER BY metric;
