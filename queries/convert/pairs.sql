-- The chosen metrics and variants that any task has, and whether with iterations.
SELECT metric, variant, bool_or(first_iteration IS NOT NULL) AS has_curve
FROM series
WHERE is_listed(metric, variant, $metrics::VARCHAR[], $variants::VARCHAR[])
GROUP BY ALL
ORDER BY metric, variant;
