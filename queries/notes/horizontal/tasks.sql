-- The tasks that have the metrics of a curve.
SELECT DISTINCT task_id
FROM series
WHERE is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
ORDER BY task_id;
