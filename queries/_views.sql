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
--   * has the same sign as the other neighbour: a curve may cross 0.
CREATE VIEW suspect_zeros AS
WITH finite AS (
    SELECT
        task_id,
        metric,
        variant,
        iteration,
        value,
        CASE WHEN value <> 0 THEN value END AS nonzero,
        count(nonzero) OVER (
            PARTITION BY task_id, metric, variant ORDER BY iteration
        ) AS nonzero_so_far
    FROM picked.scalars
    SEMI JOIN (FROM picked.series WHERE min <= 0 AND max >= 0) AS with_zero
        USING (task_id, metric, variant)
    WHERE isfinite(value) AND iteration IS NOT NULL
),
surrounded AS (
    SELECT
        * EXCLUDE (nonzero, nonzero_so_far),
        last_value(nonzero IGNORE NULLS) OVER (
            by_iteration ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS before,
        first_value(nonzero IGNORE NULLS) OVER (
            by_iteration ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS after,
        median(abs(nonzero)) OVER (
            PARTITION BY task_id, metric, variant
            ORDER BY nonzero_so_far RANGE BETWEEN 9 PRECEDING AND CURRENT ROW
        ) AS usual_before,
        median(abs(nonzero)) OVER (PARTITION BY task_id, metric, variant) AS usual
    FROM finite
    WINDOW by_iteration AS (PARTITION BY task_id, metric, variant ORDER BY iteration)
)
SELECT task_id, metric, variant, iteration, before, after
FROM surrounded
WHERE value = 0
    AND least(abs(before), abs(after)) >= greatest(usual_before / 2, usual / 100)
    AND before IS NOT NULL
    AND coalesce(sign(before) = sign(after), true);
