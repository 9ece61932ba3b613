-- The best tasks of a metric, one row per task, with hyperparameters and other metrics.
--
-- Tasks are ranked by their highest or lowest finite value, depending on --best, or by the value
-- chosen with --by. A task without any finite value is listed last, without a value. Ties go to the
-- earliest iteration, then to the smallest task id. n, n_nonfinite and n_null count the points of
-- the task's series, n_tasks the ranked tasks. If several metrics are selected, each has its own
-- ranking. Other metrics (--also) show the value at their last iteration, unchanged. Reads the
-- series table; points are read only for last.
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR.
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param best           highest|lowest|max|min: which values are better; max is highest, min is lowest. The command guesses it from well-known names: accuracy up, loss down.
-- :param by             max|min|last|mean: which value of a series to use; last is its last finite value (default: max for highest, min for lowest).
-- :param last           Use only the last N finite points of a series (default: all).
-- :param top            Number of tasks (default: 10).
-- :param param          A hyperparameter as section/name, or a glob, that becomes a column (default: none).
-- :param also           Another metric, or a glob, that becomes a column (default: none).
-- :param also_variant   The variants of the metrics in also; filled in automatically (default: none).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, is included (default: include).
-- :param nan_value      The value that NaN was logged as, if the SDK was configured to use one other than 0; may be repeated (default: 0).
--
-- :answer metric, variant, place, value, task, *, task_id
-- :example --metric accuracy --param Args/lr --also loss/validation --top 5
WITH chosen AS (
    SELECT
        *,
        coalesce(
            $by::VARCHAR, CASE $best::VARCHAR WHEN 'highest' THEN 'max' ELSE 'min' END
        ) AS what,
        n > n_nonfinite + n_null
        AND (
            $last::BIGINT IS NOT NULL
            OR (what = 'last' AND coalesce(NOT isfinite(last), true))
        ) AS look_again
    FROM series_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[]) AS series
    WHERE is_listed(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[])
),
tail AS (
    SELECT
        task_id,
        metric,
        variant,
        max(value) AS max,
        first(iteration ORDER BY value DESC, iteration NULLS LAST) AS max_iteration,
        min(value) AS min,
        first(iteration ORDER BY value, iteration NULLS LAST) AS min_iteration,
        first(value ORDER BY iteration DESC NULLS LAST) AS last,
        max(iteration) AS last_iteration,
        repeatable_mean(list(value)) AS mean
    FROM (
        SELECT task_id, metric, variant, iteration, value
        FROM points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric)
        SEMI JOIN (FROM chosen WHERE look_again) AS unanswered USING (task_id, metric, variant)
        WHERE ($last IS NOT NULL OR coalesce($by = 'last', false))
            AND isfinite(value)
            AND list_contains($metric, metric)
        QUALIFY coalesce($last, 1) >= row_number() OVER (
            PARTITION BY task_id, metric, variant ORDER BY iteration DESC NULLS LAST
        )
    )
    GROUP BY task_id, metric, variant
),
candidates AS (
    SELECT
        chosen.* EXCLUDE (max, min, last, mean),
        CASE
            WHEN look_again THEN CASE what
                WHEN 'max' THEN {'value': tail.max, 'iteration': tail.max_iteration}
                WHEN 'min' THEN {'value': tail.min, 'iteration': tail.min_iteration}
                WHEN 'last' THEN {'value': tail.last, 'iteration': tail.last_iteration}
                ELSE {'value': tail.mean, 'iteration': NULL}
            END
            ELSE CASE what
                WHEN 'max' THEN {'value': chosen.max, 'iteration': chosen.max_iteration}
                WHEN 'min' THEN {'value': chosen.min, 'iteration': chosen.min_iteration}
                WHEN 'last' THEN {
                    'value': CASE WHEN isfinite(chosen.last) THEN chosen.last END,
                    'iteration': CASE WHEN isfinite(chosen.last) THEN chosen.last_iteration END
                }
                ELSE {'value': chosen.mean, 'iteration': NULL}
            END
        END AS found
    FROM chosen
    LEFT JOIN tail USING (task_id, metric, variant)
),
placed AS (
    SELECT
        *,
        found.value AS value,
        found.iteration AS iteration,
        count(*) OVER (PARTITION BY metric, variant) AS n_tasks,
        row_number() OVER (
            PARTITION BY metric, variant
            ORDER BY
                CASE WHEN $best = 'highest' THEN value END DESC NULLS LAST,
                CASE WHEN $best = 'lowest' THEN value END NULLS LAST,
                iteration NULLS LAST,
                task_id
        ) AS place
    FROM candidates
    QUALIFY place <= coalesce($top::BIGINT, 10)
),
beside AS (
    SELECT
        task_id,
        'param' AS beside,
        [section || '/' || name] AS beside_name,
        arg_min(value, section) AS text,
        NULL::DOUBLE AS number
    FROM hyperparams
    SEMI JOIN (SELECT task_id FROM placed) AS shown USING (task_id)
    WHERE section || '/' || name IN (SELECT unnest($param::VARCHAR[]))
    GROUP BY ALL
    UNION ALL
    SELECT task_id, 'metric', [metric, variant], NULL, last
    FROM series_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $also::VARCHAR[]) AS series
    SEMI JOIN (SELECT task_id FROM placed) AS shown USING (task_id)
    WHERE is_listed(metric, variant, $also::VARCHAR[], $also_variant::VARCHAR[])
)
SELECT
    metric,
    variant,
    place,
    value,
    tasks.name AS task,
    beside,
    beside_name,
    text,
    number,
    iteration,
    task_id,
    tasks.project,
    tasks.status,
    tasks.web_url,
    tasks.archived,
    n,
    n_nonfinite,
    n_null,
    n_tasks
FROM placed
LEFT JOIN tasks USING (task_id)
LEFT JOIN beside USING (task_id)
ORDER BY metric, variant, place, beside DESC, beside_name;
