-- First iteration at which a metric is above or below a threshold, one row per task and series.
--
-- Above means greater than, below means less than. With --for K, K consecutive points must be
-- beyond the threshold, and the first of them is shown. Tasks that never reach it are listed last,
-- with reached false. NaN, infinities and NULL values are never above or below, and interrupt
-- consecutive points; single values have no iteration and are not included. seconds is the time
-- since the first point of the series. Points are read only for series whose max or min is beyond
-- the threshold.
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR (default: every metric but :monitor:).
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param all_metrics    Include :monitor: metrics (default: false).
-- :param above          A threshold; cannot be combined with below (default: none).
-- :param below          A threshold; cannot be combined with above (default: none).
-- :param for_           Number of consecutive points (default: 1).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, is included (default: include).
-- :param nan_value      The value that NaN was logged as, if the SDK was configured to use one other than 0; may be repeated (default: 0).
--
-- :answer metric, variant, task, task_id, reached, iteration, value
-- :shard metric
-- :example --metric accuracy --above 0.92
WITH asked AS (
    SELECT
        CASE
            WHEN ($above::DOUBLE IS NULL) = ($below::DOUBLE IS NULL)
                THEN error('first needs a threshold: give either above or below')
            WHEN $for_::BIGINT < 1
                THEN error('for ' || $for_ || ': give a number of at least 1')
            ELSE coalesce($for_, 1)
        END AS length
),
chosen AS MATERIALIZED (
    SELECT series.*, row_number() OVER () AS curve
    FROM series
    CROSS JOIN asked
    WHERE length > 0
        AND first_iteration IS NOT NULL
        AND is_chosen(
            metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN
        )
),
points AS NOT MATERIALIZED (
    SELECT
        curve,
        iteration,
        timestamp,
        value,
        coalesce(isfinite(value) AND (value > $above OR value < $below), false) AS beyond
    FROM points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric)
    JOIN (
        SELECT task_id, metric, variant, curve
        FROM chosen
        WHERE max > $above OR min < $below
    ) AS candidates USING (task_id, metric, variant)
    -- DuckDB does not read what these conditions exclude: files are sorted by metric.
    WHERE iteration IS NOT NULL
        AND ($metric IS NULL OR metric BETWEEN list_min($metric) AND list_max($metric))
        AND ($metric IS NOT NULL OR $all_metrics OR NOT starts_with(metric, ':monitor:'))
),
-- Points that begin K consecutive points beyond the threshold. Fewer than K follow near the end.
starts AS (
    SELECT *
    FROM points
    QUALIFY sum(beyond::BIGINT) OVER (
        PARTITION BY curve
        ORDER BY iteration
        ROWS BETWEEN CURRENT ROW AND coalesce($for_, 1) - 1 FOLLOWING
    ) = $for_
),
reached AS (
    SELECT
        curve,
        min(iteration) AS iteration,
        arg_min_null(value, iteration) AS value,
        arg_min_null(timestamp, iteration) AS timestamp
    FROM (
        FROM points
        WHERE beyond AND coalesce($for_, 1) = 1
        UNION ALL
        FROM starts
        WHERE $for_ > 1
    )
    GROUP BY curve
)
SELECT
    chosen.metric,
    chosen.variant,
    tasks.name AS task,
    chosen.task_id,
    tasks.project,
    reached.curve IS NOT NULL AS reached,
    reached.iteration,
    reached.value,
    reached.timestamp,
    epoch_ms(reached.timestamp - chosen.first_timestamp) / 1000 AS seconds,
    n AS n_points,
    tasks.web_url
FROM chosen
LEFT JOIN reached USING (curve)
LEFT JOIN tasks ON tasks.task_id = chosen.task_id
ORDER BY
    chosen.metric,
    chosen.variant,
    reached DESC,
    reached.iteration,
    chosen.task_id;
