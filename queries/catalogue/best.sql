-- The best task of a metric: its value, settings, other final metrics, commit and link.
--
-- The task with the highest or lowest finite value wins; ties go to the earliest iteration, then to
-- the smallest task id. Every hyperparameter of the task is a column, and so is every metric, with the
-- value at its last iteration, unchanged, as "(last)" in the name of the column says; :monitor: metrics
-- are left out. n_tasks is the number of tasks that were compared. If several metrics are selected, each has its own winner. Reads the
-- series table.
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR.
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param best           highest|lowest|max|min: which values are better; max is highest, min is lowest. The command guesses it from well-known names: accuracy up, loss down.
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, may win (default: include).
-- :param nan_value      The value that NaN was logged as, if the SDK was configured to use one other than 0; may be repeated (default: 0).
--
-- :answer metric, variant, value, iteration, task, task_id, project, *, commit
-- :example --metric accuracy
WITH winners AS (
    SELECT
        metric,
        variant,
        task_id,
        CASE $best::VARCHAR WHEN 'highest' THEN max ELSE min END AS value,
        CASE $best WHEN 'highest' THEN max_iteration ELSE min_iteration END AS iteration,
        count(*) OVER (PARTITION BY metric, variant) AS n_tasks
    FROM series_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[]) AS series
    WHERE is_listed(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[])
    QUALIFY 1 = row_number() OVER (
        PARTITION BY metric, variant
        ORDER BY
            CASE WHEN $best = 'highest' THEN value END DESC NULLS LAST,
            CASE WHEN $best = 'lowest' THEN value END NULLS LAST,
            iteration NULLS LAST,
            task_id
    )
),
settings AS (
    SELECT task_id, map_from_entries(list((key, setting) ORDER BY key)) AS settings
    FROM (
        SELECT task_id, section || '/' || name AS key, arg_min(value, section) AS setting
        FROM hyperparams
        SEMI JOIN winners USING (task_id)
        GROUP BY ALL
    )
    GROUP BY task_id
),
finals AS (
    SELECT task_id, map_from_entries(list((key, last) ORDER BY key)) AS finals
    FROM (
        SELECT task_id, metric || '/' || variant AS key, arg_min(last, metric) AS last
        FROM series
        SEMI JOIN winners USING (task_id)
        WHERE NOT starts_with(metric, ':monitor:')
        GROUP BY ALL
    )
    GROUP BY task_id
)
SELECT
    metric,
    variant,
    value,
    iteration,
    tasks.name AS task,
    task_id,
    tasks.project,
    settings,
    finals,
    tasks.status,
    tasks."user",
    tasks.tags,
    tasks.created,
    tasks.repository,
    tasks.branch,
    tasks."commit",
    tasks.web_url,
    tasks.archived,
    n_tasks
FROM winners
LEFT JOIN tasks USING (task_id)
LEFT JOIN settings USING (task_id)
LEFT JOIN finals USING (task_id)
ORDER BY metric, variant;
