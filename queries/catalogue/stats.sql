-- Count, spread and percentiles of each series, one row per task; or over all tasks.
--
-- Everything but the counts is over finite values; n_nonfinite counts NaN and infinities, n_null
-- NULL values. std is the sample standard deviation, NULL for fewer than two values; percentiles
-- are interpolated. first and last are the values at the first and last iteration, finite or not,
-- and are NULL over all tasks. A single value has no iteration: it is counted, but is never first,
-- and is last only if the series has no other value. Reads the points, so select a metric if the
-- history is large. It is fastest by task and without --tail, --iterations and --suspect-zeros
-- exclude: only the percentiles are then computed from points.
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR (default: every metric but :monitor:).
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param all_metrics    Include :monitor: metrics (default: false).
-- :param by             task|variant: one row per task, or one over all tasks (default: task).
-- :param tail           Only the last N points of each task's series, by iteration (default: all).
-- :param iterations     Only iterations A:B, both ends included; either may be omitted (default: all).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, is included (default: include).
-- :param nan_value      The value that NaN was logged as, if the SDK was configured to use one other than 0; may be repeated (default: 0).
--
-- :answer metric, variant, task, task_id, n_points, min, max, mean, std, median
-- :shard series, metric if by variant; 6 times the points without tail|iterations|suspect_zeros|by
-- :example --metric accuracy --project speech
WITH checked AS (
    SELECT
        CASE
            WHEN $iterations::VARCHAR IS NULL THEN ''
            WHEN regexp_full_match($iterations, '(-?[0-9]+)?:(-?[0-9]+)?') THEN $iterations
            ELSE error('iterations ' || $iterations || ': write A:B, such as 100:200 or 100:')
        END AS span,
        CASE
            WHEN $tail::BIGINT < 1 THEN error('tail ' || $tail || ': give a number of at least 1')
            ELSE coalesce($tail, 9223372036854775807)
        END AS most
),
asked AS (
    SELECT
        span,
        most,
        nullif(split_part(span, ':', 1), '')::BIGINT AS from_iteration,
        nullif(split_part(span, ':', 2), '')::BIGINT AS to_iteration
    FROM checked
),
-- Without limits on the points, a row per task has the values of the table series, and only the
-- percentiles are computed from points. Percentiles are computed from quarters of the values,
-- because the difference of two large values overflows. Whether 0.0 or -0.0 is read first depends
-- on threads; adding 0.0 gives 0.0 for both.
percentiles AS (
    SELECT
        task_id,
        metric,
        variant,
        quantile_cont(value / 4 + 0.0, [0.05, 0.25, 0.5, 0.75, 0.95])
            FILTER (isfinite(value)) AS quarters
    FROM picked.scalars
    WHERE $tail IS NULL
        AND $iterations IS NULL
        AND $suspect_zeros::VARCHAR IS DISTINCT FROM 'exclude'
        AND $by::VARCHAR IS DISTINCT FROM 'variant'
        -- DuckDB does not read what these conditions exclude: files are sorted by metric.
        AND ($metric::VARCHAR[] IS NULL OR metric BETWEEN list_min($metric) AND list_max($metric))
        AND ($metric IS NULL OR list_contains($metric, metric))
        AND ($variant::VARCHAR[] IS NULL OR list_contains($variant, variant))
        AND ($metric IS NOT NULL OR $all_metrics::BOOLEAN OR NOT starts_with(metric, ':monitor:'))
    GROUP BY task_id, metric, variant
),
stored AS (
    SELECT
        metric,
        variant,
        task_id,
        n AS n_points,
        min + 0.0 AS min,
        max + 0.0 AS max,
        mean + 0.0 AS mean,
        std,
        quarters,
        first,
        last,
        first_iteration,
        last_iteration,
        n_nonfinite,
        n_null,
        1 AS n_tasks
    FROM series
    JOIN percentiles USING (task_id, metric, variant)
    WHERE is_chosen(metric, variant, $metric, $variant, $all_metrics)
),
-- The selected series, numbered, each with the number of the row that it belongs to.
curves AS MATERIALIZED (
    SELECT
        *,
        CASE
            WHEN $by = 'variant' THEN dense_rank() OVER (ORDER BY metric, variant)
            ELSE curve
        END AS part
    FROM (
        SELECT task_id, metric, variant, row_number() OVER () AS curve
        FROM series
        WHERE is_chosen(metric, variant, $metric, $variant, $all_metrics)
            AND (
                $tail IS NOT NULL
                OR $iterations IS NOT NULL
                OR $suspect_zeros = 'exclude'
                OR $by = 'variant'
            )
    )
),
points_of_curves AS NOT MATERIALIZED (
    SELECT curve, part, iteration, value
    FROM points_as_asked($suspect_zeros, $nan_value::DOUBLE[], $metric)
    JOIN curves USING (task_id, metric, variant)
    CROSS JOIN asked
    -- DuckDB does not read what these conditions exclude: files are sorted by metric.
    WHERE ($metric IS NULL OR metric BETWEEN list_min($metric) AND list_max($metric))
        AND ($metric IS NOT NULL OR $all_metrics OR NOT starts_with(metric, ':monitor:'))
        AND (span = '' OR iteration IS NOT NULL)
        AND (from_iteration IS NULL OR iteration >= from_iteration)
        AND (to_iteration IS NULL OR iteration <= to_iteration)
),
-- Points are read twice below, but the window is computed once.
tails AS MATERIALIZED (
    SELECT *
    FROM points_of_curves
    WHERE $tail IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY curve ORDER BY iteration DESC NULLS LAST)
        <= (SELECT most FROM asked)
),
points AS NOT MATERIALIZED (
    SELECT *, CASE WHEN isfinite(value) THEN value END AS v
    FROM (
        FROM tails
        UNION ALL
        FROM points_of_curves
        WHERE $tail IS NULL
    )
),
grouped AS (
    SELECT
        part,
        count(*) AS n_points,
        count(*) FILTER (NOT isfinite(value)) AS n_nonfinite,
        count(*) FILTER (value IS NULL) AS n_null,
        min(iteration) AS first_iteration,
        max(iteration) AS last_iteration,
        arg_min_null(value, iteration) AS first_value,
        CASE
            WHEN last_iteration IS NULL THEN any_value(value) ELSE arg_max_null(value, iteration)
        END AS last_value,
        min(v) + 0.0 AS min,
        max(v) + 0.0 AS max,
        count(v) AS n_finite,
        quantile_cont(v / 4 + 0.0, [0.05, 0.25, 0.5, 0.75, 0.95]) AS quarters
    FROM points
    GROUP BY part
),
-- The mean and the deviation of a row, as in exporter/store/parts/series.sql: lists of all values
-- over all tasks would need a gigabyte.
scales AS (
    SELECT
        part,
        n_finite,
        pow(2.0, places // 2) AS scale,
        pow(2.0, places - places // 2) AS scale_again,
        factor,
        min * factor AS low,
        max * factor - min * factor AS width
    FROM (
        SELECT
            *,
            80 - floor(log2(greatest(max, -min)))::BIGINT AS places,
            CASE WHEN isfinite(max - min) THEN 1.0 ELSE 0.25 END AS factor
        FROM grouped
        WHERE min < max
    )
),
units AS (
    SELECT part, v * scale * scale_again AS whole, (v * factor - low) / width AS share
    FROM points
    JOIN scales USING (part)
    WHERE v IS NOT NULL
),
sums AS (
    SELECT
        part,
        sum(whole::HUGEINT)::DOUBLE AS total,
        sum((share * pow(2.0, 80))::HUGEINT)::DOUBLE / pow(2.0, 80) AS shares,
        sum((share * share * pow(2.0, 80))::HUGEINT)::DOUBLE / pow(2.0, 80) AS squares
    FROM units
    GROUP BY part
),
moments AS (
    SELECT
        part,
        total / n_finite / scale / scale_again AS mean,
        width * sqrt(greatest(squares - shares * shares / n_finite, 0) / (n_finite - 1))
        / factor AS std
    FROM sums
    JOIN scales USING (part)
),
about AS (
    SELECT
        part,
        any_value(metric) AS metric,
        any_value(variant) AS variant,
        CASE WHEN $by = 'variant' THEN NULL ELSE any_value(task_id) END AS task_id
    FROM curves
    GROUP BY part
),
counted AS (
    SELECT part, count(DISTINCT curve) AS n_tasks
    FROM points
    WHERE $by = 'variant'
    GROUP BY part
),
computed AS (
    SELECT
        metric,
        variant,
        task_id,
        n_points,
        min,
        max,
        CASE WHEN min = max THEN min ELSE mean END AS mean,
        CASE WHEN min = max AND n_finite > 1 THEN 0.0 ELSE std END AS std,
        quarters,
        CASE WHEN task_id IS NOT NULL THEN first_value END AS first,
        CASE WHEN task_id IS NOT NULL THEN last_value END AS last,
        first_iteration,
        last_iteration,
        n_nonfinite,
        n_null,
        coalesce(n_tasks, 1) AS n_tasks
    FROM grouped
    JOIN about USING (part)
    LEFT JOIN moments USING (part)
    LEFT JOIN counted USING (part)
)
SELECT
    metric,
    variant,
    tasks.name AS task,
    n_points,
    min,
    max,
    mean,
    CASE WHEN isfinite(std) THEN std END AS std,
    quarters[3] * 4 AS median,
    quarters[1] * 4 AS p05,
    quarters[2] * 4 AS p25,
    quarters[4] * 4 AS p75,
    quarters[5] * 4 AS p95,
    first,
    last,
    first_iteration,
    rows.last_iteration,
    n_nonfinite,
    n_null,
    n_tasks,
    task_id,
    tasks.project,
    tasks.web_url
FROM (
    FROM stored
    UNION ALL BY NAME
    FROM computed
) AS rows
LEFT JOIN tasks USING (task_id)
ORDER BY metric, variant, tasks.name NULLS LAST, task_id;
