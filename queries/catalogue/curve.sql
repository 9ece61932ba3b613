-- The curve of a metric, one row per point, optionally smoothed or resampled.
--
-- x is the horizontal axis of a plot (--x): the iteration, the wall time in seconds since 1970, the
-- seconds since the first point of the series, or the value of another metric of the task: that at
-- the same iteration or, if it has none there, at the latest earlier one. Points before its first
-- value have no x and are not included. --offset-resumed joins curves of tasks that were resumed
-- with iterations that begin anew or jump. In the order of wall time, iterations break where they go
-- back by more than two usual steps, or forward by more than ten times the usual step and the two
-- around it; x continues there one usual step after the highest iteration so far. The usual step
-- is the median of the series. iteration remains the one that was logged. Curves are smoothed in the order of x over
-- their finite values, in one of two ways: --smooth W is the exponential moving average that
-- TensorBoard draws, debiased at the start (0 does not smooth, close to 1 smooths strongly);
-- --window N is the mean of the last N finite values. NaN, infinities and values beyond 1e200 have
-- no smoothed value and do not affect the others. --points N divides x into N equal parts: each
-- part that has points becomes one row with the mean of its finite values and of smoothed, at its
-- first point; or, with --keep extremes, its lowest and its highest point, unchanged. n is the
-- number of points that a row represents. Single values have no iteration and are not included;
-- neither are points without a time if x is one.
--
-- With --by or --by-all-except, there is one curve per metric, variant and group of tasks, as in
-- group, and the band around its mean: std is the mean minus and plus one sample standard deviation,
-- minmax the lowest and the highest value of any task, ci the 95 % interval of the mean (Student's t,
-- computed, not drawn at random). std and ci of a single task are NULL. A row is a step: an iteration at which
-- any task of the group has a point or, with --points N or if x is not the iteration, one of N equal
-- parts (100 unless given) of the range of x of the group, in which a task counts with the mean of its finite
-- values. Where a task has no point at a step, --align chooses its value: the one at its latest
-- earlier step (last), none (exact), or the one at its nearest step, the earlier of two (nearest).
-- The usual one is last: otherwise tasks that report at different iterations would take turns, and
-- the mean would jump between them. If x is a metric it is exact, because a task may be anywhere
-- between two of its points there. Nothing is carried beyond the first and the last point of a task,
-- so the mean is over fewer tasks there. n counts the tasks in the mean, n_tasks those of the
-- group, n_filled those in the mean without a point at the step. NaN, infinities and missing values
-- are not part of mean, low and high: n_nonfinite counts them at their step, and a task without
-- points between such a value and its next one is not in the mean there. Each task is smoothed before
-- the mean. A task with several tags is in the group of each.
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR (default: every metric but :monitor:).
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param all_metrics    Include :monitor: metrics (default: false).
-- :param smooth         Weight of the exponential moving average, from 0 to less than 1 (default: none).
-- :param window         Number of finite values in the moving mean (default: none).
-- :param points         Number of parts to divide each series into (default: one row per point).
-- :param keep           mean|extremes: what represents the points of a part (default: mean).
-- :param by             Draw one curve per group: project, user, tag, week, status, type, or a hyperparameter as section/name; several can be combined (default: one curve per task).
-- :param by_all_except  A hyperparameter as section/name, or a glob, such as the seed: one curve per group of tasks whose other hyperparameters are all equal (default: none).
-- :param by_differing   The hyperparameters that differ between these groups; the command finds them (default: none).
-- :param band           std|minmax|ci: with --by or --by-all-except, what low and high are (default: std).
-- :param align          exact|last|nearest: with --by or --by-all-except, the value of a task that has no point at a step (default: last, or exact if x is a metric).
-- :param x              The horizontal axis: iteration, time, relative (seconds), or a metric, as metric or metric/variant (default: iteration).
-- :param x_metric       The metric, if x is one; the command finds it (default: none).
-- :param x_variant      Its variant (default: none).
-- :param offset_resumed  Join curves of resumed tasks, whose iterations begin anew or jump; a note says what was moved (default: false).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, is included (default: include).
-- :param nan_value      The value that NaN was logged as, if the SDK was configured to use one other than 0; may be repeated (default: 0).
--
-- :answer metric, variant, task, task_id, iteration, x, value, smoothed
-- :shard series; 0.8 times the points without points, 0.3 times if offset_resumed true
-- :example --metric accuracy --task-name 'vit-small' --smooth 0.6
WITH asked AS (
    SELECT
        CASE
            WHEN $smooth::DOUBLE IS NOT NULL AND $window::BIGINT IS NOT NULL
                THEN error('a curve is smoothed one way: give smooth or window')
            WHEN $window < 1 THEN error('window ' || $window || ': give a number of at least 1')
            WHEN $points::BIGINT < 1
                THEN error('points ' || $points || ': give a number of at least 1')
            WHEN coalesce($by::VARCHAR[], $by_all_except::VARCHAR[], $by_differing::VARCHAR[])
                    IS NOT NULL
                OR coalesce($band::VARCHAR, $align::VARCHAR) IS NOT NULL
                THEN error('curves by group have SQL of their own')
            WHEN $offset_resumed::BOOLEAN AND coalesce($x::VARCHAR, 'iteration') <> 'iteration'
                THEN error('offset_resumed moves iterations; omit x')
            ELSE is_weight($smooth)
        END AS is_valid
),
-- The selected series, numbered in the order of the answer. Points have only this number.
curves AS MATERIALIZED (
    SELECT
        task_id,
        metric,
        variant,
        name AS task,
        first_iteration,
        series.last_iteration,
        epoch_ms(first_timestamp) AS first_ms,
        greatest(abs(min), abs(max)) AS magnitude,
        row_number() OVER (ORDER BY metric, variant, name NULLS LAST, task_id) AS curve
    FROM series
    LEFT JOIN tasks USING (task_id)
    WHERE is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
),
points AS (
    SELECT
        curve,
        iteration,
        timestamp,
        value,
        CASE $x
            WHEN 'time' THEN epoch_ms(timestamp) / 1000
            WHEN 'relative' THEN (epoch_ms(timestamp) - first_ms) / 1000
            ELSE iteration::DOUBLE
        END AS x
    FROM points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric) AS scalars
    JOIN curves USING (task_id, metric, variant)
    CROSS JOIN asked
    WHERE is_valid
        AND iteration IS NOT NULL
        AND x IS NOT NULL
        -- DuckDB does not read what these conditions exclude: files are sorted by metric.
        AND ($metric IS NULL OR metric BETWEEN list_min($metric) AND list_max($metric))
        AND ($metric IS NOT NULL OR $all_metrics OR NOT starts_with(metric, ':monitor:'))
),
-- The values of the metric that is the horizontal axis.
x_points AS (
    SELECT curve, iteration, value AS x
    FROM points_as_asked($suspect_zeros, $nan_value, [$x_metric::VARCHAR]) AS scalars
    JOIN curves USING (task_id)
    WHERE scalars.metric = $x_metric
        AND scalars.variant = $x_variant::VARCHAR
        AND iteration IS NOT NULL
),
placed AS (FROM placed_points('points', 'x_points', $x_metric, $offset_resumed)),
smoothed AS (FROM smoothed_points('placed', $smooth, $window)),
-- The range of x that is divided into parts. If x is the iteration and no points are excluded or
-- moved, the table series has both ends; otherwise the points have them.
ranges AS (
    SELECT curve, first_iteration::DOUBLE AS low, last_iteration::DOUBLE AS high
    FROM curves
    WHERE coalesce($x, 'iteration') = 'iteration'
        AND $suspect_zeros IS DISTINCT FROM 'exclude'
        AND $offset_resumed IS DISTINCT FROM true
    UNION ALL
    SELECT curve, min(x) AS low, max(x) AS high
    FROM placed
    WHERE coalesce($x, 'iteration') <> 'iteration'
        OR $suspect_zeros = 'exclude'
        OR $offset_resumed
    GROUP BY curve
),
-- A sum of doubles depends on their order, a sum of integers does not. So values are added as
-- 128-bit integers of 80 binary places below the largest magnitude of their series; a value with
-- more places, next to much larger ones, is added as a double, in the order of the curve. The
-- scale is a power of two as two factors, because it may be too large for a double.
scales AS (
    SELECT curve, pow(2.0, places // 2) AS scale, pow(2.0, places - places // 2) AS scale_again
    FROM (
        SELECT
            curve,
            80 - CASE WHEN magnitude > 0 THEN floor(log2(magnitude)) ELSE 0 END::BIGINT AS places
        FROM curves
    )
),
parts AS (
    SELECT
        smoothed.*,
        scale,
        scale_again,
        CASE
            WHEN low = high THEN 0
            ELSE least($points - 1, floor((x - low) / (high - low) * $points))
        END AS part
    FROM smoothed
    JOIN (FROM ranges JOIN scales USING (curve)) USING (curve)
    WHERE $points IS NOT NULL
),
units AS (
    SELECT
        parts.*,
        CASE WHEN isfinite(value) THEN value END AS finite,
        finite * scale * scale_again AS units,
        units = trunc(units) AS is_whole,
        smooth_value * scale * scale_again AS smooth_units,
        smooth_units = trunc(smooth_units) AS is_smooth_whole
    FROM parts
    WHERE $keep::VARCHAR IS DISTINCT FROM 'extremes'
),
sums AS (
    SELECT
        curve,
        unnest(min({'x': x, 'iteration': iteration, 'timestamp': timestamp})),
        sum(CASE WHEN is_whole THEN units END::HUGEINT) AS total,
        sum(finite ORDER BY x, iteration) FILTER (NOT is_whole) AS rest,
        count(finite) AS n_finite,
        sum(CASE WHEN is_smooth_whole THEN smooth_units END::HUGEINT) AS smooth_total,
        sum(smooth_value ORDER BY x, iteration) FILTER (NOT is_smooth_whole) AS smooth_rest,
        count(smooth_value) AS n_smooth,
        count(*) AS n
    FROM units
    WHERE $smooth IS NOT NULL
        OR $window IS NOT NULL
        OR $offset_resumed
        OR coalesce($x, 'iteration') <> 'iteration'
    GROUP BY curve, part
    UNION ALL BY NAME
    -- The order of x is that of the iterations, and there is one mean: less to compare.
    SELECT
        curve,
        min(x) AS x,
        min(iteration) AS iteration,
        arg_min_null(timestamp, iteration) AS timestamp,
        sum(CASE WHEN is_whole THEN units END::HUGEINT) AS total,
        sum(finite ORDER BY iteration) FILTER (NOT is_whole) AS rest,
        count(finite) AS n_finite,
        count(*) AS n
    FROM units
    WHERE $smooth IS NULL
        AND $window IS NULL
        AND $offset_resumed IS DISTINCT FROM true
        AND coalesce($x, 'iteration') = 'iteration'
    GROUP BY curve, part
),
means AS (
    SELECT
        curve,
        iteration,
        timestamp,
        x,
        n,
        CASE WHEN n_finite > 0
            THEN coalesce(total, 0)::DOUBLE / n_finite / scale / scale_again
                + coalesce(rest / n_finite, 0)
        END AS value,
        CASE WHEN n_smooth > 0
            THEN coalesce(smooth_total, 0)::DOUBLE / n_smooth / scale / scale_again
                + coalesce(smooth_rest / n_smooth, 0)
        END AS smooth_value
    FROM sums
    JOIN scales USING (curve)
),
extremes AS (
    SELECT
        * EXCLUDE (part, scale, scale_again),
        CASE WHEN isfinite(value) THEN value END AS finite,
        count(*) OVER (PARTITION BY curve, part) AS n
    FROM parts
    WHERE $keep = 'extremes'
    QUALIFY 1 IN (
        row_number() OVER (PARTITION BY curve, part ORDER BY finite NULLS LAST, x, iteration),
        row_number() OVER (PARTITION BY curve, part ORDER BY finite DESC NULLS LAST, x, iteration)
    )
),
resampled AS (
    SELECT curve, iteration, timestamp, x, value, smooth_value, 1 AS n
    FROM smoothed
    WHERE $points IS NULL
    UNION ALL BY NAME
    FROM means
    UNION ALL BY NAME
    SELECT * EXCLUDE (finite)
    FROM extremes
)
-- Only numbers are sorted; the names, which are long, are added to the rows afterwards.
SELECT
    about.metric,
    about.variant,
    about.task,
    about.task_id,
    iteration,
    timestamp,
    (epoch_ms(timestamp) - about.first_ms) / 1000 AS seconds,
    x,
    value,
    smooth_value AS smoothed,
    n
FROM (
    SELECT *, (SELECT list(curves ORDER BY curve) FROM curves)[curve] AS about
    FROM (FROM resampled ORDER BY curve, x, iteration)
);
