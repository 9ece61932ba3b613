-- The best tasks of a metric, one row per task, with hyperparameters and other metrics.
--
-- Tasks are ranked by their highest or lowest finite value, depending on --best, or by the value
-- chosen with --value, --smooth and --last; the column counted then says which. Single values have
-- no iteration and are not smoothed. A task without any finite value is listed last, without a
-- value. Ties go to the earliest iteration, then to the smallest task id. n, n_nonfinite and n_null
-- count the points of the task's series, n_tasks the ranked tasks. If several metrics are selected,
-- each has its own ranking. Other metrics (--also) show the value at their last iteration,
-- unchanged. Reads the series table, and points only for last, median and with --smooth or --last.
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR.
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param best           highest|lowest|max|min: which values are better; max is highest, min is lowest. The command guesses it from well-known names: accuracy up, loss down.
-- :param value          max|min|last|mean|median: which value of a series counts; last is its last finite value (default: max for highest, min for lowest).
-- :param smooth         Weight of the exponential moving average, from 0 to less than 1: each series is smoothed first, as in curve (default: none).
-- :param last           Only the last N finite points of a series count; all of them are smoothed (default: all).
-- :param by             max|min|last|mean|median: the same as --value (default: none).
-- :param top            Number of tasks (default: 10).
-- :param param          A hyperparameter as section/name, or a glob, that becomes a column (default: none).
-- :param also           Another metric, or a glob, that becomes a column (default: none).
-- :param also_variant   The variants of the metrics in also; filled in automatically (default: none).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, is included (default: include).
-- :param nan_value      The value that NaN was logged as, if the SDK was configured to use one other than 0; may be repeated (default: 0).
--
-- :answer metric, variant, counted, place, value, task, *, task_id
-- :example --metric accuracy --param Args/lr --also loss/validation --top 5
WITH listed AS (
    FROM series_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[]) AS series
    WHERE is_listed(metric, variant, $metric, $variant::VARCHAR[])
),
listed_points AS (
    FROM points_as_asked($suspect_zeros, $nan_value, $metric)
    WHERE list_contains($metric, metric)
),
again AS (
    FROM counted_from_points(
        'listed',
        'listed_points',
        true,
        coalesce($value::VARCHAR, $by::VARCHAR, usual_value($best::VARCHAR)),
        $smooth::DOUBLE,
        $last::BIGINT
    )
),
placed AS (
    SELECT
        *,
        count(*) OVER (PARTITION BY metric, variant) AS n_tasks,
        row_number() OVER (
            PARTITION BY metric, variant
            ORDER BY
                CASE WHEN $best = 'highest' THEN value END DESC NULLS LAST,
                CASE WHEN $best = 'lowest' THEN value END NULLS LAST,
                iteration NULLS LAST,
                task_id
        ) AS place
    FROM counted_series('listed', 'again', coalesce($value, $by, usual_value($best)))
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
    n_tasks,
    counted_as(coalesce($value, $by, usual_value($best)), $smooth, $last) AS counted
FROM placed
LEFT JOIN tasks USING (task_id)
LEFT JOIN beside USING (task_id)
ORDER BY metric, variant, place, beside DESC, beside_name;
