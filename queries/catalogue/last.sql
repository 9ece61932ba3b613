-- Latest finite value of every metric and variant, over all tasks.
--
-- The last value of a series is the finite one at its highest iteration. Among several tasks, the
-- one whose last value is the most recent in wall time wins, then the one with the higher
-- iteration, then the smallest task id. A single value counts only if the series has no
-- iterations. NaN and infinities never win and are counted in n_nonfinite, NULL values in
-- n_null; n_tasks, n_points, n_nonfinite and n_null count everything that was compared. Reads the
-- series table; points are read only for series that do not end in a finite value (or that end in
-- exactly 0, when suspect zeros are excluded).
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR (default: every metric but :monitor:).
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param all_metrics    Include :monitor: metrics (default: false).
-- :param by             variant|task|project: one result per metric and variant, or one per task or project within each (default: variant).
-- :param top            Number of tasks per result, latest first (default: 1).
-- :param at             Other metrics at the winner's iteration, one row per metric of its task; if a metric has no point there, its nearest earlier one, else NULL (default: none).
-- :param at_variant     The variants of the metrics in at; filled in automatically (default: none).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, may win (default: include).
-- :param nan_value      The value that NaN was logged as, if the SDK was configured to use one other than 0; may be repeated (default: 0).
--
-- :answer metric, variant, value, iteration, at_metric, at_variant, at_value, at_iteration, project if by project, task, task_id
-- :shard metric, only if by task or suspect_zeros exclude and no at; at most 200000 series, fewer if last is suspect
-- :example --metric accuracy --by project
WITH chosen AS (
    SELECT
        *,
        coalesce(NOT isfinite(last), last IS NULL) AND n > n_nonfinite + n_null AS look_again
    FROM series_as_asked(
        $suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[], deciding := 'last'
    ) AS series
    WHERE is_chosen(metric, variant, $metric, $variant::VARCHAR[], $all_metrics::BOOLEAN)
),
endless AS (
    SELECT coalesce(list(DISTINCT task_id), []) AS task_ids FROM chosen WHERE look_again
),
again AS (
    SELECT task_id, metric, variant, value, iteration, timestamp
    FROM points_as_asked(
        $suspect_zeros::VARCHAR,
        $nan_value::DOUBLE[],
        $metric,
        task_ids := (SELECT task_ids FROM endless)
    )
    SEMI JOIN (FROM chosen WHERE look_again) AS unanswered USING (task_id, metric, variant)
    WHERE isfinite(value) AND ($metric IS NULL OR list_contains($metric, metric))
    QUALIFY 1 = row_number() OVER (
        PARTITION BY task_id, metric, variant ORDER BY iteration DESC NULLS LAST
    )
),
read AS (
    SELECT
        chosen.*,
        CASE WHEN look_again THEN again.value WHEN isfinite(last) THEN last END AS value,
        CASE
            WHEN look_again THEN again.iteration WHEN isfinite(last) THEN last_iteration
        END AS iteration,
        CASE
            WHEN look_again THEN again.timestamp WHEN isfinite(last) THEN last_timestamp
        END AS timestamp
    FROM chosen
    LEFT JOIN again USING (task_id, metric, variant)
),
candidates AS (
    SELECT *, -epoch_us(timestamp) AS rank_1, -iteration::HUGEINT AS rank_2
    FROM read
),
points AS (
    FROM points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $at::VARCHAR[])
)
FROM best_tasks(
    'candidates', 'points', $by::VARCHAR, $top::BIGINT, $at::VARCHAR[], $at_variant::VARCHAR[]
);
