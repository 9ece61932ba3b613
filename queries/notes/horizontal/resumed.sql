-- The breaks in the iterations of series, and the first one of each.
--
-- :param metric         The metrics (default: every metric).
-- :param variant        Their variants (default: every variant).
-- :param all_metrics    Include :monitor: metrics (default: false).
-- :param suspect_zeros  Whether these are included (default: include).
-- :param nan_value      The values that NaN was logged as (default: 0).
--
-- :shard series; 0.4 times the points
WITH curves AS MATERIALIZED (
    SELECT
        task_id,
        metric,
        variant,
        name AS task,
        row_number() OVER (ORDER BY metric, variant, name NULLS LAST, task_id) AS curve
    FROM series
    LEFT JOIN tasks USING (task_id)
    WHERE is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
),
points AS (
    SELECT curve, iteration, timestamp
    FROM points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric) AS scalars
    JOIN curves USING (task_id, metric, variant)
    WHERE iteration IS NOT NULL
        AND ($metric IS NULL OR metric BETWEEN list_min($metric) AND list_max($metric))
        AND ($metric IS NOT NULL OR $all_metrics OR NOT starts_with(metric, ':monitor:'))
),
breaks AS (
    SELECT
        curve,
        count(*) AS n_breaks,
        arg_min({'before': iteration - step, 'after': iteration}, stretch) AS place
    FROM stretches('points')
    WHERE is_break
    GROUP BY curve
)
SELECT metric, variant, task, task_id, n_breaks, place.before AS before, place.after AS after
FROM breaks
JOIN curves USING (curve)
ORDER BY curve;
