-- The points of some curves: curves from their number low to high. They are mostly stored in this
-- order, so that sorting what is not is faster elsewhere.
SELECT curve, iteration AS x, value, epoch_ms(timestamp) AS time
FROM scalars
JOIN (
    SELECT metric, variant, task_id, curve FROM report_series WHERE curve BETWEEN $low AND $high
) AS chosen USING (metric, variant, task_id)
WHERE metric IN (SELECT unnest($metrics::VARCHAR[])) AND iteration IS NOT NULL;
