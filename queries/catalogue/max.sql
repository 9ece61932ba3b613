-- Largest finite value of every metric and variant, the best over all tasks.
--
-- NaN and infinities never win and are counted in n_nonfinite, values that are no number in
-- n_null. Ties go to the earliest iteration, then to the smallest task id; a single value takes
-- part and has no iteration. n_tasks, n_points, n_nonfinite and n_null count over everything
-- that the answer was chosen from. Answered from the series table; only series whose max is
-- exactly 0 are looked up in the points, and only when suspect zeros are excluded.
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR (default: every metric but :monitor:).
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param all_metrics    Take :monitor: metrics too (default: false).
-- :param by             variant|task|project: one answer for each metric and variant, and in them for each task or project (default: variant).
-- :param top            How many tasks for each answer, best first (default: 1).
-- :param at             Other metrics at the winner's iteration: a row for each that its task has; the nearest earlier iteration where that one has none, NULL when there is none (default: none).
-- :param at_variant     The variants that belong to at; filled in, never typed (default: none).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, may win (default: include).
-- :param nan_value      The value that stands for NaN instead of 0, as set in the SDK; several are possible (default: 0).
--
-- :example --metric accuracy --at loss
WITH candidates AS (
    SELECT
        *,
        max AS value,
        max_iteration AS iteration,
        max_timestamp AS timestamp,
        -max AS rank_1,
        max_iteration AS rank_2
    FROM series_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[]) AS series
    WHERE is_chosen(metric, variant, $metric, $variant::VARCHAR[], $all_metrics::BOOLEAN)
),
points AS (
    FROM points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $at::VARCHAR[])
)
FROM best_tasks(
    'candidates', 'points', $by::VARCHAR, $top::BIGINT, $at::VARCHAR[], $at_variant::VARCHAR[]
);
