-- The curve of a metric, one row per point, optionally smoothed or resampled.
--
-- x is the horizontal axis of a plot: the iteration, the wall time in seconds since 1970, or the
-- seconds since the first point of the series (--x). Curves are smoothed in the order of x over
-- their finite values, in one of two ways: --smooth W is the exponential moving average that
-- TensorBoard draws, debiased at the start (0 is none, close to 1 is strong); --window N is the mean
-- of the last N finite values. NaN, infinities and values beyond 1e200 have no smoothed value and do
-- not affect the others. --points N divides x into N equal parts: each part that has points becomes
-- one row with the mean of its finite values and of smoothed, at its first point; or, with --keep
-- extremes, its lowest and its highest point, unchanged. n is the number of points that a row
-- represents. Single values have no iteration and are not included; neither are points without a
-- time, unless x is the iteration.
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR (default: every metric but :monitor:).
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param all_metrics    Include :monitor: metrics (default: false).
-- :param smooth         Weight of the exponential moving average, from 0 to less than 1 (default: none).
-- :param window         Number of finite values in the moving mean (default: none).
-- :param points         Number of parts to divide each series into (default: one row per point).
-- :param keep           mean|extremes: what represents the points of a part (default: mean).
-- :param x              iteration|time|relative: the horizontal axis (default: iteration).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, is included (default: include).
-- :param nan_value      The value that NaN was logged as, if the SDK was set to another than 0; may be given several times (default: 0).
--
-- :shard series
-- :example --metric accuracy --task-name 'vit-small' --smooth 0.6
WITH asked AS (
    SELECT
        CASE
            WHEN $smooth::DOUBLE IS NOT NULL AND $window::BIGINT IS NOT NULL
                THEN error('a curve is smoothed one way: give smooth or window')
            WHEN NOT ($smooth >= 0 AND $smooth < 1)
                THEN error('smooth ' || $smooth || ': give a weight from 0 to less than 1')
            WHEN $window < 1 THEN error('window ' || $window || ': give a number of at least 1')
            WHEN $points::BIGINT < 1
                THEN error('points ' || $points || ': give a number of at least 1')
            -- So many points are summed up at once: their weights stay within 1e-100.
            WHEN $smooth > 0 THEN greatest(1, floor(-100 / log10($smooth)))::BIGINT
            ELSE 1
        END AS stretch
),
points AS (
    SELECT
        scalars.task_id,
        scalars.metric,
        scalars.variant,
        iteration,
        timestamp,
        value,
        epoch_ms(timestamp - first_timestamp) / 1000 AS seconds,
        CASE $x::VARCHAR
            WHEN 'time' THEN epoch_ms(timestamp) / 1000
            WHEN 'relative' THEN seconds
            ELSE iteration::DOUBLE
        END AS x,
        CASE WHEN isfinite(value) THEN value END AS finite,
        CASE WHEN abs(finite) < 1e200 THEN finite END AS usual,
        stretch
    FROM points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[]) AS scalars
    JOIN series USING (task_id, metric, variant)
    CROSS JOIN asked
    WHERE stretch > 0
        AND iteration IS NOT NULL
        AND x IS NOT NULL
        -- What this range leaves out DuckDB need not read: files are sorted by metric.
        AND ($metric IS NULL OR scalars.metric BETWEEN list_min($metric) AND list_max($metric))
        AND is_chosen(
            scalars.metric, scalars.variant, $metric, $variant::VARCHAR[], $all_metrics::BOOLEAN
        )
),
parts AS (
    SELECT
        *,
        CASE
            WHEN min(x) OVER curve = max(x) OVER curve THEN 0
            ELSE least(
                $points - 1,
                floor((x - min(x) OVER curve) / (max(x) OVER curve - min(x) OVER curve) * $points)
            )
        END AS part
    FROM points
    WHERE $points IS NOT NULL
    WINDOW curve AS (PARTITION BY task_id, metric, variant)
    UNION ALL
    SELECT *, NULL AS part
    FROM points
    WHERE $points IS NULL
),
-- Usual values are numbered apart from the others, from 0.
numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY task_id, metric, variant, usual IS NULL ORDER BY x, iteration
        ) - 1 AS place,
        place // stretch AS stretch_number,
        place % stretch AS step
    FROM parts
    WHERE $smooth IS NOT NULL OR $window IS NOT NULL
),
-- The weighted sum of a stretch up to each value, the latest with weight 1.
summed AS (
    SELECT
        *,
        sum(usual * pow($smooth, -step)) OVER (
            PARTITION BY task_id, metric, variant, usual IS NULL, stretch_number ORDER BY step
        ) * pow($smooth, step) AS weighted,
        avg(usual) OVER (
            PARTITION BY task_id, metric, variant, usual IS NULL
            ORDER BY place
            ROWS BETWEEN coalesce($window, 1) - 1 PRECEDING AND CURRENT ROW
        ) AS moving_mean
    FROM numbered
),
-- The stretch before counts too, those before that one with weights below 1e-100.
with_before AS (
    SELECT
        *,
        CASE WHEN step = 0 THEN lag(weighted, 1, 0.0) OVER in_order END AS before_stretch
    FROM summed
    WINDOW in_order AS (PARTITION BY task_id, metric, variant, usual IS NULL ORDER BY place)
),
smoothed AS (
    SELECT
        * EXCLUDE (place, stretch_number, step, weighted, moving_mean, before_stretch),
        CASE
            WHEN usual IS NULL THEN NULL
            WHEN $window IS NOT NULL THEN moving_mean
            ELSE (
                weighted + pow($smooth, step + 1) * max(before_stretch) OVER (
                    PARTITION BY task_id, metric, variant, usual IS NULL, stretch_number
                )
            ) * (1 - $smooth) / (1 - pow($smooth, place + 1))
        END AS smooth_value
    FROM with_before
    UNION ALL
    SELECT *, NULL AS smooth_value
    FROM parts
    WHERE $smooth IS NULL AND $window IS NULL
),
resampled AS (
    SELECT
        * REPLACE (
            CASE
                WHEN $points IS NULL OR $keep::VARCHAR = 'extremes' THEN value
                ELSE avg(finite) OVER in_order
            END AS value,
            CASE
                WHEN $points IS NULL OR $keep = 'extremes' THEN smooth_value
                ELSE avg(smooth_value) OVER in_order
            END AS smooth_value
        ),
        CASE WHEN $points IS NULL THEN 1 ELSE count(*) OVER together END AS n
    FROM smoothed
    -- Sums of doubles depend on their order, so that of the rows is said wherever one is made.
    WINDOW
        together AS (PARTITION BY task_id, metric, variant, part),
        in_order AS (
            together ORDER BY x, iteration
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        )
    QUALIFY CASE
        WHEN $points IS NULL THEN true
        WHEN $keep = 'extremes'
            THEN 1 IN (
                row_number() OVER (together ORDER BY finite NULLS LAST, x, iteration),
                row_number() OVER (together ORDER BY finite DESC NULLS LAST, x, iteration)
            )
        ELSE row_number() OVER (together ORDER BY x, iteration) = 1
    END
)
SELECT
    metric,
    variant,
    tasks.name AS task,
    task_id,
    iteration,
    timestamp,
    seconds,
    x,
    value,
    smooth_value AS smoothed,
    n
FROM resampled
LEFT JOIN tasks USING (task_id)
ORDER BY metric, variant, tasks.name NULLS LAST, task_id, x, iteration;
