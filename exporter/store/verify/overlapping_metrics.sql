-- The points of each metric, of series in which a point may be stored twice.
SELECT metric, sum(n)::BIGINT AS points
FROM runs
SEMI JOIN overlapping USING (task_id, metric, variant)
GROUP BY metric
ORDER BY metric;
