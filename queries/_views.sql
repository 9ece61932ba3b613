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

-- Points of exactly 0 that are probably NaN: the SDK logs NaN and infinities as 0.
--
-- Neighbours are the nearest finite values before and after that are not 0, so that a run of
-- zeros (a diverged task logs NaN to its end) is judged as one. A zero is suspect when there is
-- a value before it (an accuracy may start at 0) and each neighbour that exists
--   * has at least half the median magnitude of the ten values before the zero: a curve that
--     decays, linearly or faster, is small compared with them when it arrives at 0;
--   * has at least 1 % of the median magnitude of the whole series: a curve rounded to a few
--     digits ends in equal small values before it ends in 0;
--   * has the same sign as the other neighbour: a curve may cross 0;
-- and when runs of zeros are rare, at most two or one in twenty values: where zeros come and go,
-- as in a sparse reward, they are values like any other.
CREATE VIEW suspect_zeros AS
WITH finite AS (
    SELECT
        task_id,
        metric,
        variant,
        iteration,
        CASE WHEN value <> 0 THEN value END AS nonzero,
        count(nonzero) OVER (
            PARTITION BY task_id, metric, variant ORDER BY iteration
        ) AS stretch
    FROM picked.scalars
    SEMI JOIN (FROM picked.series WHERE min <= 0 AND max >= 0) AS with_zero
        USING (task_id, metric, variant)
    WHERE isfinite(value) AND iteration IS NOT NULL
),
-- A stretch is a value and the zeros that follow it; the first may have no value.
stretches AS (
    SELECT
        task_id,
        metric,
        variant,
        stretch,
        any_value(nonzero) AS before,
        list(iteration) FILTER (nonzero IS NULL) AS zeros
    FROM finite
    GROUP BY task_id, metric, variant, stretch
),
surrounded AS (
    SELECT
        *,
        lead(before) OVER in_order AS after,
        median(abs(before)) OVER (in_order ROWS 9 PRECEDING) AS usual_before,
        median(abs(before)) OVER whole AS usual,
        count(before) OVER whole AS values,
        count(before) FILTER (zeros IS NOT NULL) OVER whole AS runs
    FROM stretches
    WINDOW
        whole AS (PARTITION BY task_id, metric, variant),
        in_order AS (PARTITION BY task_id, metric, variant ORDER BY stretch)
)
SELECT task_id, metric, variant, unnest(zeros) AS iteration, before, after
FROM surrounded
WHERE before IS NOT NULL
    AND least(abs(before), abs(after)) >= greatest(usual_before / 2, usual / 100)
    AND coalesce(sign(before) = sign(after), true)
    AND runs <= greatest(2, values / 20);

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
