-- Largest finite value of every metric and variant, the best over all tasks.
--
-- NaN and infinities never win and are counted in n_nonfinite, NULL values in n_null. Ties go
-- to the earliest iteration, then to the smallest task id; single values are included and have no
-- iteration. n_tasks, n_points, n_nonfinite and n_null count everything that was compared. Reads
-- the series table; points are read only for series whose max is exactly 0, and only when suspect
-- zeros are excluded.
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR (default: every metric but :monitor:).
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param all_metrics    Include :monitor: metrics (default: false).
-- :param by             variant|task|project: one result per metric and variant, or one per task or project within each (default: variant).
-- :param top            Number of tasks per result, best first (default: 1).
-- :param at             Other metrics at the winner's iteration, one row per metric of its task; if a metric has no point there, its nearest earlier one, else NULL (default: none).
-- :param at_variant     The variants of the metrics in at; filled in automatically (default: none).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, may win (default: include).
-- :param nan_value      The value that NaN was logged as, if the SDK was configured to use one other than 0; may be repeated (default: 0).
--
-- :answer metric, variant, value, iteration, at_metric, at_variant, at_value, at_iteration, project if by project, task, task_id
-- :shard metric, only if by task or suspect_zeros exclude and no at; at most 200000 series, fewer if max is suspect
-- :example --metric accuracy --at loss
WITH candidates AS (
    SELECT
        *,
        max AS value,
        max_iteration AS iteration,
        max_timestamp AS timestamp,
        -max AS rank_1,
        max_iteration AS rank_2
    FROM series_as_asked(
        $suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[], deciding := 'max'
    ) AS series
    WHERE is_chosen(metric, variant, $metric, $variant::VARCHAR[], $all_metrics::BOOLEAN)
),
points AS (
    FROM points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $at::VARCHAR[])
)
FROM best_tasks(
    'candidates', 'points', $by::VARCHAR, $top::BIGINT, $at::VARCHAR[], $at_variant::VARCHAR[]
);
