-- The cells of sparklines: parts of an axis of iterations that all curves of a metric and variant
-- share. Of each curve and cell the first, the last, the lowest and the highest finite point, and
-- the first that is not finite, unchanged.
WITH chosen AS (
    SELECT
        unnest($curves::BIGINT[]) AS curve,
        unnest($metrics::VARCHAR[]) AS metric,
        unnest($variants::VARCHAR[]) AS variant,
        unnest($task_ids::VARCHAR[]) AS task_id
),
ranges AS (
    SELECT metric, variant, min(first_iteration)::DOUBLE AS low, max(last_iteration)::DOUBLE AS high
    FROM series
    SEMI JOIN chosen USING (metric, variant, task_id)
    GROUP BY metric, variant
),
placed AS (
    SELECT
        curve,
        low,
        high,
        iteration,
        value,
        CASE
            WHEN low = high THEN 0
            ELSE least($cells::BIGINT - 1, floor((iteration - low) / (high - low) * $cells::BIGINT))
        END::BIGINT AS cell
    FROM points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[])
    JOIN chosen USING (metric, variant, task_id)
    JOIN ranges USING (metric, variant)
    WHERE iteration IS NOT NULL
)
SELECT
    curve,
    low,
    high,
    cell,
    count(*) AS n,
    min({'iteration': iteration, 'value': value}) FILTER (isfinite(value)) AS first,
    max({'iteration': iteration, 'value': value}) FILTER (isfinite(value)) AS last,
    min({'value': value, 'iteration': iteration}) FILTER (isfinite(value)) AS lowest,
    max({'value': value, 'iteration': ~iteration}) FILTER (isfinite(value)) AS highest,
    min(iteration) FILTER (NOT coalesce(isfinite(value), false)) AS first_odd
FROM placed
GROUP BY ALL
ORDER BY curve, cell;
