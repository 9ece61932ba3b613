-- What every statement sees. "picked" holds the snapshot's tables, narrowed to the tasks chosen.
--
-- Task columns come from a grouped subquery: only in this form does DuckDB know that the join
-- neither adds nor drops rows, and leaves it out when no column of it is asked for.
CREATE VIEW tasks AS FROM picked.tasks;
CREATE VIEW series AS FROM picked.series;
CREATE VIEW hyperparams AS FROM picked.hyperparams;
CREATE VIEW exports AS FROM picked.exports;

CREATE VIEW scalars AS
SELECT
    points.task_id,
    about.task,
    points.project_id,
    about.project,
    points.metric,
    points.variant,
    points.iteration,
    points.timestamp,
    points.value,
    points.worker,
    about.type,
    about.status,
    about.tags,
    about.archived,
    about.user
FROM picked.scalars AS points
LEFT JOIN (
    SELECT
        task_id,
        any_value(name) AS task,
        any_value(project) AS project,
        any_value(type) AS type,
        any_value(status) AS status,
        any_value(tags) AS tags,
        any_value(archived) AS archived,
        any_value("user") AS user
    FROM picked.tasks
    GROUP BY task_id
) AS about ON about.task_id = points.task_id;

-- Sections and names may hold slashes, so that two parameters can meet in one key; a MAP refuses
-- that, hence the inner grouping.
CREATE VIEW params AS
SELECT task_id, map_from_entries(list((key, value) ORDER BY key)) AS params
FROM (
    SELECT task_id, section || '/' || name AS key, arg_min(value, section) AS value
    FROM picked.hyperparams
    GROUP BY ALL
)
GROUP BY task_id;

-- Points that are probably NaN: the SDK logs NaN and infinities as 0, or as a value that the user
-- sets. marks lists such values; NULL is 0 alone.
--
-- 1. A point that holds a mark is suspect when the nearest values before and after it (other marks
--    passed over; at the end of a series only the one before) are on the same side of the mark and
--    far from it: at least half the median distance of the ten values before; or 2.5 times the
--    steps that the curve takes there, for a curve that falls or rises fast.
-- 2. Nothing is far that noise, rounding or underflow reach: 1.5 times the usual bend of the curve
--    around, ten of the smallest steps where all values are multiples of it (counts too), a
--    millionth of the median distance.
-- 3. Marks that are not rare are values: runs of marks, and values that dip to less than half of
--    both neighbours, may be two or one in twenty values, as zeros of a sparse reward are not.
CREATE MACRO suspects(marks) AS TABLE
WITH finite AS (
    SELECT
        task_id,
        metric,
        variant,
        iteration,
        mark,
        CASE WHEN value <> mark THEN value - mark END AS distance,
        count(distance) OVER (
            PARTITION BY task_id, metric, variant, mark ORDER BY iteration
        ) AS stretch
    FROM picked.scalars
    CROSS JOIN (SELECT unnest(list_distinct(coalesce(marks, [0.0])))::DOUBLE AS mark) AS marked
    SEMI JOIN (
        FROM picked.series
        WHERE list_bool_or(
            list_transform(coalesce(marks, [0.0]), lambda one: min <= one AND max >= one)
        )
    ) AS with_mark USING (task_id, metric, variant)
    WHERE isfinite(value)
        AND iteration IS NOT NULL
        AND (value = mark OR NOT coalesce(list_contains(marks, value), false))
),
-- A stretch is a value and the marks that follow it; the first may have no value.
stretches AS (
    SELECT
        task_id,
        metric,
        variant,
        mark,
        stretch,
        any_value(distance) AS before,
        list(iteration) FILTER (distance IS NULL) AS marked
    FROM finite
    GROUP BY task_id, metric, variant, mark, stretch
),
stepped AS (
    SELECT
        *,
        lead(before) OVER in_order AS after,
        median(abs(before)) OVER (in_order ROWS 9 PRECEDING) AS usual_before,
        abs(before - lag(before) OVER in_order) AS step,
        abs(before - 2 * lag(before) OVER in_order + lag(before, 2) OVER in_order) AS bend,
        abs(before) < least(abs(lag(before) OVER in_order), abs(lead(before) OVER in_order)) / 2
            AND lag(before) OVER in_order IS NOT NULL
            AND lead(before) OVER in_order IS NOT NULL AS dips
    FROM stretches
    WINDOW in_order AS (PARTITION BY task_id, metric, variant, mark ORDER BY stretch)
),
surrounded AS (
    SELECT
        *,
        least(abs(before), abs(after)) AS nearest,
        greatest(step, lag(step) OVER in_order) AS step_before,
        greatest(lead(step, 2) OVER in_order, lead(step, 3) OVER in_order) AS step_after,
        median(abs(before)) OVER whole AS usual,
        min(nullif(step, 0)) OVER whole AS smallest_step,
        count(before) OVER whole AS n_values,
        count(*) FILTER (marked IS NOT NULL OR dips) OVER whole AS dives,
        CASE WHEN count(bend) OVER around >= 4 THEN median(bend) OVER around END AS usual_bend
    FROM stepped
    WINDOW
        whole AS (PARTITION BY task_id, metric, variant, mark),
        in_order AS (PARTITION BY task_id, metric, variant, mark ORDER BY stretch),
        around AS (in_order ROWS BETWEEN 9 PRECEDING AND 10 FOLLOWING)
),
judged AS (
    SELECT
        *,
        bool_and(abs(before / smallest_step - round(before / smallest_step)) < 1e-6)
            OVER (PARTITION BY task_id, metric, variant, mark) AND n_values >= 5 AS counts
    FROM surrounded
)
SELECT
    task_id,
    metric,
    variant,
    unnest(marked) AS iteration,
    before + mark AS before,
    after + mark AS after
FROM judged
WHERE before IS NOT NULL
    AND coalesce(sign(before) = sign(after), true)
    AND dives <= least(n_values / 2, greatest(2, n_values / 20))
    AND nearest >= greatest(
        usual / 1e6, 1.5 * usual_bend, CASE WHEN counts THEN 10 * smallest_step END
    )
    AND (
        nearest >= usual_before / 2
        OR (
            coalesce(abs(after) >= 2.5 * step_after, true)
            AND (
                abs(before) >= 2.5 * step_before
                OR nearest >= abs(before) / 4 AND nearest >= abs(after) / 4
            )
        )
    );

CREATE VIEW suspect_zeros AS FROM suspects([0.0]);

-- The mean and the sample standard deviation of numbers in a list: the same bits whatever their
-- order. Threads deliver values in any order, and sums of doubles depend on it. Numbers beyond
-- 1e150 are taken 2^600 times smaller, or their squares and sums overflow. NULL for no number, and
-- for the deviation of one.
CREATE MACRO repeatable_mean(numbers) AS CASE
    WHEN greatest(list_max(numbers), -list_min(numbers)) > 1e150
        THEN list_aggregate(
            list_sort(list_transform(numbers, lambda one: one * pow(2.0, -600))), 'favg'
        ) * pow(2.0, 600)
    ELSE list_aggregate(list_sort(numbers), 'favg')
END;
CREATE MACRO repeatable_std(numbers) AS CASE
    WHEN greatest(list_max(numbers), -list_min(numbers)) > 1e150
        THEN list_aggregate(
            list_sort(list_transform(numbers, lambda one: one * pow(2.0, -600))), 'stddev_samp'
        ) * pow(2.0, 600)
    ELSE list_aggregate(list_sort(numbers), 'stddev_samp')
END;

-- The points, without the suspect ones when these are excluded. metrics, where it is not NULL,
-- names those that are asked for, so that no others are examined.
CREATE MACRO points_as_asked(suspect_zeros, marks, metrics) AS TABLE
SELECT scalars.*
FROM scalars
ANTI JOIN (
    FROM suspects(marks)
    WHERE suspect_zeros = 'exclude' AND (metrics IS NULL OR list_contains(metrics, metric))
) AS suspect USING (task_id, metric, variant, iteration);

-- The series, their extremes, last values and means without suspect points when these are
-- excluded; the counts are those of all points. Only series with suspect points are computed anew.
CREATE MACRO series_as_asked(suspect_zeros, marks, metrics) AS TABLE
WITH suspect AS (
    FROM suspects(marks)
    WHERE suspect_zeros = 'exclude' AND (metrics IS NULL OR list_contains(metrics, metric))
),
again AS (
    SELECT
        task_id,
        metric,
        variant,
        true AS again,
        max(value) FILTER (isfinite(value)) AS max,
        first({'iteration': iteration, 'timestamp': timestamp} ORDER BY value DESC, iteration)
            FILTER (isfinite(value)) AS at_max,
        min(value) FILTER (isfinite(value)) AS min,
        first({'iteration': iteration, 'timestamp': timestamp} ORDER BY value, iteration)
            FILTER (isfinite(value)) AS at_min,
        first({'value': value, 'iteration': iteration, 'timestamp': timestamp}
            ORDER BY iteration DESC NULLS LAST) AS at_last,
        repeatable_mean(list(value) FILTER (isfinite(value))) AS mean
    FROM picked.scalars
    SEMI JOIN suspect USING (task_id, metric, variant)
    ANTI JOIN suspect USING (task_id, metric, variant, iteration)
    WHERE suspect_zeros = 'exclude' AND (metrics IS NULL OR list_contains(metrics, metric))
    GROUP BY task_id, metric, variant
)
SELECT
    series.* REPLACE (
        CASE WHEN again THEN again.max ELSE series.max END AS max,
        CASE WHEN again THEN at_max.iteration ELSE max_iteration END AS max_iteration,
        CASE WHEN again THEN at_max.timestamp ELSE max_timestamp END AS max_timestamp,
        CASE WHEN again THEN again.min ELSE series.min END AS min,
        CASE WHEN again THEN at_min.iteration ELSE min_iteration END AS min_iteration,
        CASE WHEN again THEN at_min.timestamp ELSE min_timestamp END AS min_timestamp,
        CASE WHEN again THEN at_last.value ELSE last END AS last,
        CASE WHEN again THEN at_last.iteration ELSE last_iteration END AS last_iteration,
        CASE WHEN again THEN at_last.timestamp ELSE last_timestamp END AS last_timestamp,
        CASE WHEN again THEN again.mean ELSE series.mean END AS mean
    )
FROM picked.series AS series
LEFT JOIN again USING (task_id, metric, variant);

-- A curve smoothed as TensorBoard draws it: ema(list(value ORDER BY iteration), 0.6). Non-finite
-- values and NULL are NULL in the answer, and do not touch the others. The query curve does the
-- same for points without making lists of them.
CREATE MACRO ema(curve, weight) AS CASE
    WHEN curve IS NOT NULL THEN list_reduce(
        list_prepend(
            {'sum': 0.0::DOUBLE, 'rest': 1.0::DOUBLE, 'value': NULL::DOUBLE, 'out': []::DOUBLE[]},
            list_transform(
                curve,
                lambda one: {
                    'sum': 0.0::DOUBLE,
                    'rest': 1.0::DOUBLE,
                    'value': one::DOUBLE,
                    'out': []::DOUBLE[]
                }
            )
        ),
        lambda so_far, next: CASE
            WHEN isfinite(next.value) THEN {
                'sum': so_far.sum * weight + (1 - weight) * next.value,
                'rest': so_far.rest * weight,
                'value': next.value,
                'out': list_append(
                    so_far.out,
                    (so_far.sum * weight + (1 - weight) * next.value)
                    / (1 - so_far.rest * weight)
                )
            }
            ELSE {
                'sum': so_far.sum,
                'rest': so_far.rest,
                'value': next.value,
                'out': list_append(so_far.out, NULL)
            }
        END
    ).out
END;

-- The finite value of a group at an iteration, or at the latest before it that has one.
CREATE MACRO at_or_before(value, iteration, wanted) AS
    arg_max(value, iteration) FILTER (isfinite(value) AND iteration <= wanted);

-- The finite value of a group at the iteration nearest to one; of two as near, the earlier.
CREATE MACRO nearest(value, iteration, wanted) AS
    arg_min(
        value, {'distance': abs(iteration::HUGEINT - wanted::HUGEINT), 'iteration': iteration}
    ) FILTER (isfinite(value) AND iteration IS NOT NULL);
