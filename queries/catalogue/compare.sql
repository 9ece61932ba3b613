-- Tasks side by side: their values at common iterations, or the hyperparameters that differ.
--
-- Only iterations at which every task has a point are shown, with unchanged values; single values
-- are shown without an iteration. With --params the result is the hyperparameters in which the
-- tasks differ; a hyperparameter that a task does not have is empty. The SQL returns one row per
-- task; the command makes one column per task.
--
-- :param tasks          Two or more tasks: ids, beginnings of ids, names, globs of names such as 'resnet*', or addresses in the browser.
-- :param params         Compare hyperparameters instead of values (default: false).
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR (default: every metric but :monitor:).
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param all_metrics    Include :monitor: metrics (default: false).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, is shown (default: include).
-- :param nan_value      The value that NaN was logged as, if the SDK was configured to use one other than 0; may be repeated (default: 0).
--
-- :answer metric, variant, iteration, parameter, *
-- :example vit-small 'vit-small retry' --metric accuracy
WITH points AS (
    SELECT
        metric,
        variant,
        iteration,
        task_id,
        value,
        count(*) OVER (PARTITION BY metric, variant, iteration) AS n_tasks
    FROM points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[])
    WHERE NOT coalesce($params::BOOLEAN, false)
        AND list_contains($tasks::VARCHAR[], task_id)
        AND is_chosen(metric, variant, $metric, $variant::VARCHAR[], $all_metrics::BOOLEAN)
    QUALIFY n_tasks = len($tasks)
),
settings AS (
    SELECT task_id, section || '/' || name AS parameter, arg_min(value, section) AS setting
    FROM hyperparams
    WHERE coalesce($params, false) AND list_contains($tasks, task_id)
    GROUP BY ALL
),
differing AS (
    SELECT parameter
    FROM settings
    GROUP BY parameter
    HAVING count(*) < len($tasks)
        OR count(DISTINCT setting) + (count(setting) < count(*))::INTEGER > 1
),
rows_of_both AS (
    SELECT
        metric,
        variant,
        iteration,
        NULL AS parameter,
        task_id,
        value,
        NULL::VARCHAR AS setting
    FROM points
    UNION ALL
    SELECT NULL, NULL, NULL, parameter, task_id, NULL, setting
    FROM settings
    SEMI JOIN differing USING (parameter)
)
SELECT
    metric,
    variant,
    iteration,
    parameter,
    tasks.name AS task,
    task_id,
    value,
    setting
FROM rows_of_both
LEFT JOIN tasks USING (task_id)
ORDER BY
    metric,
    variant,
    parameter,
    iteration NULLS LAST,
    list_position($tasks, task_id);
