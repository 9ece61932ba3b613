-- The curves of groups of tasks: their mean and a band at each step.
--
-- What queries/catalogue/curve.sql describes with --by and --by-all-except, whose parameters these are.
-- A cell is a metric, a variant and a group; a run is a series in it. by_differing lists the
-- hyperparameters that differ between the groups of by_all_except.
--
-- :answer metric, variant, *, x, mean, low, high, n
-- :shard metric; long answer
WITH asked AS (
    SELECT
        CASE
            WHEN $smooth::DOUBLE IS NOT NULL AND $window::BIGINT IS NOT NULL
                THEN error('a curve is smoothed one way: give smooth or window')
            WHEN $window < 1 THEN error('window ' || $window || ': give a number of at least 1')
            WHEN $points::BIGINT < 1
                THEN error('points ' || $points || ': give a number of at least 1')
            WHEN $keep::VARCHAR = 'extremes'
                THEN error('keep extremes shows single points; curves of groups are means')
            WHEN coalesce($by::VARCHAR[], $by_all_except::VARCHAR[]) IS NULL
                THEN error('by, or by_all_except: name the groups')
            WHEN $offset_resumed::BOOLEAN AND coalesce($x::VARCHAR, 'iteration') <> 'iteration'
                THEN error('offset_resumed moves iterations; omit x')
            ELSE is_weight($smooth)
        END AS is_valid,
        coalesce($points, 100) AS n_parts
),
curves AS MATERIALIZED (
    SELECT
        task_id,
        metric,
        variant,
        epoch_ms(first_timestamp) AS first_ms,
        greatest(abs(min), abs(max)) AS magnitude,
        row_number() OVER (ORDER BY metric, variant, task_id)::INTEGER AS curve
    FROM series
    WHERE is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
),
-- The runs of each cell. Cells are numbered in the order of the answer. A task with several tags is
-- in several cells.
runs AS MATERIALIZED (
    SELECT
        curve,
        metric,
        variant,
        labels,
        dense_rank() OVER (ORDER BY metric, variant, by_label(labels))::INTEGER AS cell
    FROM curves
    JOIN grouped_tasks($by, $by_differing::VARCHAR[]) USING (task_id)
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
x_points AS (
    SELECT curve, iteration, value AS x
    FROM points_as_asked($suspect_zeros, $nan_value, [$x_metric::VARCHAR]) AS scalars
    JOIN curves USING (task_id)
    WHERE scalars.metric = $x_metric
        AND scalars.variant = $x_variant::VARCHAR
        AND iteration IS NOT NULL
),
-- An iteration is the one to which --offset-resumed moves a point.
placed AS (
    SELECT curve, moved AS iteration, timestamp, value, x
    FROM placed_points('points', 'x_points', $x_metric, $offset_resumed)
),
smoothed AS (FROM smoothed_points('placed', $smooth, $window)),
measured AS (
    SELECT
        cell,
        curve,
        iteration,
        x,
        CASE
            WHEN $smooth IS NOT NULL OR $window IS NOT NULL THEN smooth_value
            WHEN isfinite(value) THEN value
        END AS value,
        coalesce(NOT isfinite(value), true)::INTEGER AS n_nonfinite
    FROM smoothed
    JOIN (SELECT curve, cell FROM runs) USING (curve)
),
-- The range of x of a cell is divided into equal parts if x is not the iteration or there are --points.
divided AS (
    SELECT
        cell,
        curve,
        CASE
            WHEN first_x = last_x THEN 0
            ELSE least(n_parts - 1, floor((x - first_x) / (last_x - first_x) * n_parts))
        END::BIGINT AS place,
        iteration,
        x,
        value,
        n_nonfinite
    FROM measured
    JOIN (
        SELECT cell, min(x) AS first_x, max(x) AS last_x FROM measured GROUP BY cell
    ) USING (cell)
    CROSS JOIN asked
    WHERE $points IS NOT NULL OR coalesce($x, 'iteration') <> 'iteration'
),
-- The extremes of a part are those of all of its points, not of the means of the runs.
extremes AS (
    SELECT cell, place, min(value) AS lowest_point, max(value) AS highest_point
    FROM divided
    WHERE $band::VARCHAR = 'minmax'
    GROUP BY cell, place
),
-- One value per run and part: the mean. A sum of doubles depends on their order, a sum of integers
-- does not: curve.sql describes how values are added.
units AS (
    SELECT
        divided.*,
        scale,
        scale_again,
        value * scale * scale_again AS units,
        units = trunc(units) AS is_whole
    FROM divided
    JOIN (
        SELECT curve, pow(2.0, places // 2) AS scale, pow(2.0, places - places // 2) AS scale_again
        FROM (
            SELECT
                curve,
                80 - CASE WHEN magnitude > 0 THEN floor(log2(magnitude)) ELSE 0 END::BIGINT
                    AS places
            FROM curves
        )
    ) USING (curve)
),
sums AS (
    SELECT
        cell,
        curve,
        place,
        min(iteration) AS iteration,
        min(x) AS x,
        sum(CASE WHEN is_whole THEN units END::HUGEINT) AS total,
        sum(value ORDER BY x, iteration) FILTER (NOT is_whole) AS rest,
        count(value) AS n,
        sum(n_nonfinite)::INTEGER AS n_nonfinite,
        any_value(scale) AS scale,
        any_value(scale_again) AS scale_again
    FROM units
    GROUP BY cell, curve, place
),
-- What each run has at its own steps; a step is an iteration, or a part of the range of x.
values_of_runs AS MATERIALIZED (
    SELECT
        cell,
        curve,
        place,
        iteration,
        x,
        CASE WHEN n > 0
            THEN coalesce(total, 0)::DOUBLE / n / scale / scale_again + coalesce(rest / n, 0)
        END AS value,
        n_nonfinite
    FROM sums
    UNION ALL
    SELECT cell, curve, iteration AS place, NULL, NULL, value, n_nonfinite
    FROM measured
    WHERE $points IS NULL AND coalesce($x, 'iteration') = 'iteration'
),
steps AS MATERIALIZED (
    SELECT *, row_number() OVER (PARTITION BY cell ORDER BY place)::INTEGER AS step
    FROM (
        SELECT
            cell,
            place,
            coalesce(min(iteration), place) AS iteration,
            coalesce(min(x), place::DOUBLE) AS x
        FROM values_of_runs
        GROUP BY cell, place
    )
),
-- The values of each run in order, each with the next one.
in_order AS MATERIALIZED (
    SELECT
        cell,
        step,
        value,
        n_nonfinite,
        lead(step) OVER run AS next_step,
        lead(value) OVER run AS next_value
    FROM values_of_runs
    JOIN (SELECT cell, place, step FROM steps) USING (cell, place)
    WINDOW run AS (PARTITION BY cell, curve ORDER BY step)
),
sizes AS (
    SELECT
        CASE
            WHEN sum(next_step - step - 1) > 100000000
                THEN error(
                    'the tasks have no points at ' || sum(next_step - step - 1)
                    || ' steps of their groups, too many to fill; give points, such as 1000'
                )
            ELSE true
        END AS is_small
    FROM in_order
),
-- What a run has at the steps between two of its values. NaN is carried on like any other value, and
-- leaves the run out of the mean. turn is the last step that is nearer to the value before.
gaps AS NOT MATERIALIZED (
    FROM in_order WHERE next_step > step + 1 AND (SELECT is_small FROM sizes)
),
turning AS NOT MATERIALIZED (
    SELECT gaps.*, here.step AS turn
    FROM gaps
    JOIN (SELECT cell, step, x FROM steps) AS before USING (cell, step)
    JOIN (SELECT cell, step AS next_step, x FROM steps) AS after USING (cell, next_step)
    ASOF JOIN steps AS here ON gaps.cell = here.cell AND before.x / 2 + after.x / 2 >= here.x
    WHERE $align::VARCHAR = 'nearest'
),
aligned AS NOT MATERIALIZED (
    SELECT cell, step, value, n_nonfinite, 0 AS is_filled
    FROM in_order
    UNION ALL
    SELECT cell, unnest(range(step + 1, next_step))::INTEGER, value, 0, 1
    FROM gaps
    WHERE coalesce($align, CASE WHEN $x_metric IS NULL THEN 'last' END) = 'last'
    UNION ALL
    SELECT cell, at_step, CASE WHEN at_step <= turn THEN value ELSE next_value END, 0, 1
    FROM (SELECT *, unnest(range(step + 1, next_step))::INTEGER AS at_step FROM turning)
),
ends AS (
    SELECT
        *,
        pow(2.0, places // 2) AS scale,
        pow(2.0, places - places // 2) AS scale_again,
        -- A range that is too large for a double is divided by four.
        CASE WHEN isfinite(highest - lowest) THEN 1.0 ELSE 0.25 END AS part,
        highest * part - lowest * part AS width
    FROM (
        SELECT
            cell,
            step,
            min(value) AS lowest,
            max(value) AS highest,
            count(value) AS n,
            sum(CASE WHEN value IS NOT NULL THEN is_filled END) AS n_filled,
            sum(n_nonfinite) AS n_nonfinite,
            CASE
                WHEN lowest < highest THEN 80 - floor(log2(greatest(highest, -lowest)))::BIGINT
            END AS places
        FROM aligned
        GROUP BY cell, step
    )
),
-- The mean and the standard deviation that repeatable_mean and repeatable_std compute from lists.
spread AS (
    SELECT
        cell,
        step,
        sum((value * scale * scale_again)::HUGEINT)::DOUBLE AS total,
        sum((share * pow(2.0, 80))::HUGEINT)::DOUBLE / pow(2.0, 80) AS total_share,
        sum((share * share * pow(2.0, 80))::HUGEINT)::DOUBLE / pow(2.0, 80) AS squares
    FROM (
        SELECT
            *,
            CASE
                WHEN $band IS DISTINCT FROM 'minmax'
                    THEN (value * part - lowest * part) / width
            END AS share
        FROM aligned
        JOIN (
            SELECT cell, step, lowest, part, width, scale, scale_again
            FROM ends
            WHERE lowest < highest
        ) USING (cell, step)
        WHERE value IS NOT NULL
    )
    GROUP BY cell, step
),
results AS (
    SELECT
        ends.*,
        CASE
            WHEN lowest < highest THEN total / n / scale / scale_again
            ELSE lowest + 0.0
        END AS mean,
        CASE
            WHEN n < 2 THEN NULL
            WHEN lowest = highest THEN 0.0
            ELSE width
                * sqrt(greatest(squares - total_share * total_share / n, 0) / (n - 1))
                / part
        END AS std,
        CASE $band WHEN 'ci' THEN t_975(n - 1) * std / sqrt(n) ELSE std END AS reach
    FROM ends
    LEFT JOIN spread USING (cell, step)
)
SELECT
    about.metric,
    about.variant,
    about.labels AS "group",
    iteration,
    x,
    mean,
    low,
    high,
    n,
    n_tasks,
    n_filled,
    n_nonfinite
FROM (
    SELECT
        *,
        (SELECT list({'metric': metric, 'variant': variant, 'labels': labels} ORDER BY cell)
            FROM (SELECT cell, any_value(metric) AS metric, any_value(variant) AS variant,
                any_value(labels) AS labels FROM runs GROUP BY cell))[cell] AS about
    FROM (
        SELECT
            cell,
            CASE WHEN coalesce($x, 'iteration') = 'iteration' THEN iteration END AS iteration,
            x,
            mean,
            CASE $band
                WHEN 'minmax' THEN least(lowest, lowest_point)
                ELSE mean - reach
            END AS low,
            CASE $band
                WHEN 'minmax' THEN greatest(highest, highest_point)
                ELSE mean + reach
            END AS high,
            n,
            n_tasks,
            coalesce(n_filled, 0)::BIGINT AS n_filled,
            n_nonfinite::BIGINT AS n_nonfinite
        FROM results
        JOIN steps USING (cell, step)
        LEFT JOIN extremes USING (cell, place)
        JOIN (
            SELECT cell, count(DISTINCT curve) AS n_tasks FROM values_of_runs GROUP BY cell
        ) USING (cell)
        ORDER BY cell, step
    )
);
