-- Tasks side by side: final values, their difference, where curves part, and what differs.
--
-- A row per metric and variant that any of the tasks has. point is end for the last points of the
-- tasks. If they end at different iterations, another row compares them at the last common one (point is
-- common) or, if they have no iteration in common, at those nearest to the end of the task that
-- ended first (point is nearest). iteration is the one that is compared; if the tasks' iterations
-- differ, iterations has them in the order of the tasks. difference is the second value minus the first;
-- among more than two tasks, the largest minus the smallest; of decimals, so 0.9 minus 0.6 is 0.3. differ_at is the first common iteration
-- at which the values differ. A single value has no iteration. On a terminal, the hyperparameters and
-- the code (repository, branch, commit) that differ follow; --params returns only these, with an
-- empty cell where a task does not have one. Hyperparameters that are the same number do not differ.
-- --steps returns the values at every common iteration. The SQL returns one row per task; the command
-- makes one column per task.
--
-- :param tasks          Two or more tasks: ids, beginnings of ids, names, globs of names such as 'resnet*', or addresses in the browser.
-- :param params         Only the hyperparameters and the code that differ (default: false).
-- :param steps          The values at every common iteration (default: false).
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR (default: every metric but :monitor:).
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param all_metrics    Include :monitor: metrics (default: false).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, is shown (default: include).
-- :param nan_value      The value that NaN was logged as, if the SDK was configured to use one other than 0; may be repeated (default: 0).
--
-- :answer metric, variant, point, iteration, iterations, parameter, *, difference, differ_at
-- :example vit-small 'vit-small retry' --metric accuracy
WITH points AS (
    SELECT metric, variant, iteration, task_id, value
    FROM points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[])
    WHERE NOT coalesce($params::BOOLEAN, false)
        AND list_contains($tasks::VARCHAR[], task_id)
        AND is_chosen(metric, variant, $metric, $variant::VARCHAR[], $all_metrics::BOOLEAN)
),
common AS (
    SELECT
        metric,
        variant,
        iteration,
        count(DISTINCT value) + (count(value) < count(*))::INTEGER > 1 AS differs
    FROM points
    GROUP BY ALL
    HAVING count(*) = len($tasks)
),
ends AS (
    SELECT
        metric,
        variant,
        task_id,
        max(iteration) AS iteration,
        CASE
            WHEN max(iteration) IS NULL THEN any_value(value) ELSE arg_max_null(value, iteration)
        END AS value
    FROM points
    WHERE NOT coalesce($steps::BOOLEAN, false)
    GROUP BY ALL
),
curves AS (
    SELECT
        metric,
        variant,
        last_common,
        differ_at,
        min(iteration) AS first_end,
        count(DISTINCT iteration) > 1 AND count(iteration) = len($tasks) AS end_apart
    FROM ends
    LEFT JOIN (
        SELECT
            metric,
            variant,
            max(iteration) AS last_common,
            min(iteration) FILTER (differs) AS differ_at
        FROM common
        GROUP BY ALL
    ) AS compared USING (metric, variant)
    GROUP BY ALL
),
nearest_points AS (
    SELECT metric, variant, task_id, iteration, value
    FROM points
    JOIN curves USING (metric, variant)
    WHERE end_apart AND last_common IS NULL AND iteration IS NOT NULL
    QUALIFY 1 = row_number() OVER (
        PARTITION BY metric, variant, task_id
        ORDER BY abs(iteration::HUGEINT - first_end), iteration
    )
),
compared_values AS (
    SELECT metric, variant, 'end' AS point, task_id, iteration, value
    FROM ends
    UNION ALL
    SELECT metric, variant, 'common', task_id, iteration, value
    FROM points
    JOIN curves USING (metric, variant)
    WHERE end_apart AND iteration = last_common
    UNION ALL
    SELECT metric, variant, 'nearest', task_id, iteration, value
    FROM nearest_points
    UNION ALL
    SELECT metric, variant, NULL, task_id, iteration, value
    FROM points
    SEMI JOIN common USING (metric, variant, iteration)
    WHERE $steps AND iteration IS NOT NULL
    UNION ALL
    SELECT metric, variant, NULL, task_id, NULL, value
    FROM points
    SEMI JOIN (FROM common WHERE iteration IS NULL) AS single_values USING (metric, variant)
    WHERE $steps AND iteration IS NULL
),
summed AS (
    SELECT
        metric,
        variant,
        point,
        CASE WHEN $steps THEN iteration END AS step,
        CASE
            WHEN len($tasks) = 2
                THEN decimal_difference(
                    any_value(value) FILTER (task_id = $tasks[2]),
                    any_value(value) FILTER (task_id = $tasks[1])
                )
            WHEN count(value) > 1 THEN decimal_difference(max(value), min(value)) + 0.0
        END AS difference,
        CASE WHEN count(DISTINCT iteration) < 2 THEN max(iteration) END AS iteration,
        CASE
            WHEN count(DISTINCT iteration) > 1
                THEN list(iteration ORDER BY list_position($tasks, task_id))
        END AS iterations
    FROM compared_values
    GROUP BY ALL
),
rows_of_points AS (
    SELECT
        each.metric,
        each.variant,
        each.point,
        summed.iteration,
        NULL AS parameter,
        each.task_id,
        each.value,
        NULL::VARCHAR AS setting,
        difference,
        iterations,
        differ_at
    FROM compared_values AS each
    JOIN summed
        ON summed.metric = each.metric
        AND summed.variant = each.variant
        AND summed.point IS NOT DISTINCT FROM each.point
        AND (NOT coalesce($steps, false) OR summed.step IS NOT DISTINCT FROM each.iteration)
    LEFT JOIN curves ON curves.metric = each.metric AND curves.variant = each.variant
),
settings AS (
    SELECT task_id, section || '/' || name AS parameter, arg_min(value, section) AS setting
    FROM hyperparams
    WHERE coalesce($params, false) AND list_contains($tasks, task_id)
    GROUP BY ALL
    UNION ALL
    SELECT task_id, code.name, code.text
    FROM (
        SELECT
            task_id,
            unnest([
                {'name': 'repository', 'text': repository},
                {'name': 'branch', 'text': branch},
                {'name': 'commit', 'text': "commit"}
            ]) AS code
        FROM tasks
        WHERE coalesce($params, false) AND list_contains($tasks, task_id)
    )
),
differing AS (
    SELECT parameter
    FROM (SELECT *, coalesce(number_in(setting)::VARCHAR, setting) AS compared FROM settings)
    GROUP BY parameter
    HAVING count(*) < len($tasks)
        OR count(DISTINCT compared) + (count(compared) < count(*))::INTEGER > 1
),
rows_of_both AS (
    FROM rows_of_points
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, parameter, task_id, NULL, setting, NULL, NULL, NULL
    FROM settings
    SEMI JOIN differing USING (parameter)
)
SELECT
    metric,
    variant,
    point,
    iteration,
    parameter,
    tasks.name AS task,
    task_id,
    value,
    setting,
    difference,
    iterations,
    differ_at
FROM rows_of_both
LEFT JOIN tasks USING (task_id)
ORDER BY
    metric,
    variant,
    list_position(['end', 'common', 'nearest'], point),
    contains(parameter, '/') DESC,
    parameter,
    iteration NULLS LAST,
    list_position($tasks, task_id);
