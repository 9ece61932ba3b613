-- One row per step with a column per metric, or one per task with its best values and parameters.
--
-- Each task has a row for every iteration at which one of the selected metrics has a point, and each
-- metric/variant has a column. Where a metric has no point at the iteration of a row, --fill chooses
-- the value of the cell: none (exact), the latest earlier one (last), or the nearest one, and the
-- earlier of two that are equally near (nearest). --tolerance limits how many iterations away it may be.
-- A NULL never fills another cell; NaN and infinities do. A single value has no iteration: it is in a
-- row of its own and fills no other cell.
--
-- With --per task, each task has one row, or each that has one of the selected metrics. Each of its hyperparameters has a column, and so has each
-- metric/variant, with its highest or lowest finite value or the last one, as the name of the column
-- says. --best chooses; without it, accuracy shows the highest value, loss the lowest, and a metric
-- whose name does not tell shows the value at its last iteration, unchanged. A hyperparameter whose
-- values are all numbers is a column of numbers, unless one of them has leading zeros (007) or more than
-- 15 digits. Reads the series table, not the points.
--
-- Names that would read alike stay two columns: variant b/c of a and variant c of a/b are 'a / b/c' and
-- 'a/b / c'; names that differ only in capital letters are followed by '(case 1)' and '(case 2)'. The
-- SQL returns a row per cell; the command makes the columns.
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR (default: every metric but :monitor:).
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param all_metrics    Include :monitor: metrics (default: false).
-- :param per            step|task: what has a row (default: step).
-- :param fill           exact|last|nearest: the value of a cell whose metric has no point at the iteration of the row (default: exact).
-- :param tolerance      Fill only from points at most so many iterations away (default: any distance).
-- :param best           highest|lowest|max|min|last: with --per task, which value of each metric; max is highest, min is lowest (default: guessed from the name of each metric).
-- :param param          With --per task, a hyperparameter as section/name, or a glob, that becomes a column; may be repeated (default: every hyperparameter).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, is included (default: include).
-- :param nan_value      The value that NaN was logged as, if the SDK was configured to use one other than 0; may be repeated (default: 0).
--
-- :answer task, task_id, iteration, *
-- :shard task; 0.3 times the points, 3 times if per task
-- :example --metric accuracy --metric loss --fill last --tolerance 100
--
-- Cells have only the numbers of their task and series; the names, which are long, are added at the end.
WITH curves AS MATERIALIZED (
    SELECT
        task_id,
        metric,
        variant,
        dense_rank() OVER (ORDER BY name NULLS LAST, task_id) AS task_number,
        row_number() OVER (ORDER BY name NULLS LAST, task_id, metric, variant) AS curve
    FROM series
    LEFT JOIN tasks USING (task_id)
    WHERE coalesce($per::VARCHAR, 'step') = 'step'
        AND is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
),
-- The tasks with a row of their own.
shown AS (
    SELECT task_id FROM tasks WHERE $per = 'task' AND $metric IS NULL
    UNION
    SELECT task_id
    FROM series
    WHERE $per = 'task' AND is_listed(metric, variant, $metric, $variant)
),
points AS (
    SELECT task_number, curve, iteration, value
    FROM points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric) AS points
    JOIN curves USING (task_id, metric, variant)
    WHERE coalesce($per, 'step') = 'step'
        -- DuckDB does not read what these conditions exclude: files are sorted by metric.
        AND ($metric IS NULL OR metric BETWEEN list_min($metric) AND list_max($metric))
        AND ($metric IS NOT NULL OR $all_metrics OR NOT starts_with(metric, ':monitor:'))
),
steps AS (
    SELECT DISTINCT task_number, iteration
    FROM points
    WHERE coalesce($fill::VARCHAR, 'exact') <> 'exact' AND iteration IS NOT NULL
),
grid AS (
    SELECT
        curve,
        iteration,
        CASE WHEN value IS NOT NULL THEN {'iteration': iteration, 'value': value} END AS known
    FROM steps
    JOIN (SELECT task_number, curve FROM curves) AS curves USING (task_number)
    LEFT JOIN (SELECT curve, iteration, value FROM points) AS points USING (curve, iteration)
),
neighbours AS (
    SELECT
        curve,
        iteration,
        last_value(known IGNORE NULLS) OVER (
            PARTITION BY curve
            ORDER BY iteration ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS before,
        CASE
            WHEN $fill = 'nearest' THEN first_value(known IGNORE NULLS) OVER (
                PARTITION BY curve
                ORDER BY iteration ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
            )
        END AS after
    FROM grid
),
nearest AS (
    SELECT
        curve,
        iteration,
        iteration::HUGEINT - before.iteration AS behind,
        after.iteration::HUGEINT - iteration AS ahead,
        coalesce(ahead < behind, behind IS NULL) AS is_ahead,
        CASE WHEN is_ahead THEN ahead ELSE behind END AS distance,
        CASE WHEN is_ahead THEN after.value ELSE before.value END AS value
    FROM neighbours
),
-- Every step has a cell for each series of its task, if only an empty one.
cells AS (
    SELECT curve, iteration, value
    FROM points
    WHERE iteration IS NULL OR coalesce($fill, 'exact') = 'exact'
    UNION ALL
    SELECT curve, iteration, CASE WHEN coalesce(distance <= $tolerance::BIGINT, true) THEN value END
    FROM nearest
),
named AS (
    SELECT
        task_number,
        task_id,
        iteration,
        'metric' AS beside,
        metric AS beside_group,
        variant AS beside_name,
        NULL::VARCHAR AS text,
        value AS number,
        NULL::DOUBLE AS highest,
        NULL::DOUBLE AS lowest,
        NULL::DOUBLE AS last
    FROM cells
    JOIN curves USING (curve)
    UNION ALL
    SELECT NULL, task_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM tasks
    SEMI JOIN shown USING (task_id)
    WHERE $per = 'task'
    UNION ALL
    SELECT
        NULL,
        task_id,
        NULL,
        'metric',
        metric,
        variant,
        NULL,
        NULL,
        CASE WHEN coalesce($best::VARCHAR, 'highest') = 'highest' THEN max END,
        CASE WHEN coalesce($best, 'lowest') = 'lowest' THEN min END,
        CASE WHEN coalesce($best, 'last') = 'last' THEN last END
    FROM series_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[]) AS series
    WHERE $per = 'task'
        AND is_chosen(metric, variant, $metric, $variant::VARCHAR[], $all_metrics::BOOLEAN)
    UNION ALL
    SELECT NULL, task_id, NULL, 'param', section, name, value, NULL, NULL, NULL, NULL
    FROM hyperparams
    SEMI JOIN shown USING (task_id)
    WHERE $per = 'task'
        AND ($param::VARCHAR[] IS NULL OR list_contains($param, section || '/' || name))
)
SELECT
    task_number,
    tasks.name AS task,
    task_id,
    tasks.project,
    tasks.status,
    tasks.created,
    tasks.web_url,
    tasks.archived,
    named.iteration,
    beside,
    beside_group,
    beside_name,
    text,
    number,
    highest,
    lowest,
    named.last
FROM named
LEFT JOIN tasks USING (task_id)
ORDER BY task NULLS LAST, task_id, named.iteration NULLS LAST, beside DESC, beside_group, beside_name;
