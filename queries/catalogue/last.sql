-- Latest finite value of every metric and variant, over all tasks.
--
-- A series' last value is the finite one at its highest iteration; of several tasks the one wins
-- whose last value is the most recent in wall time, then the one with the higher iteration, then
-- the smallest task id. A single value is a last value only where there is no iteration at all,
-- and has none. NaN and infinities never win and are counted in n_nonfinite, values that are no
-- number in n_null; n_tasks, n_points, n_nonfinite and n_null count over everything that the
-- answer was chosen from. Answered from the series table; only series that end in no finite
-- value (or in exactly 0, when suspect zeros are excluded) are looked up in the points.
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR (default: every metric but :monitor:).
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param all_metrics    Take :monitor: metrics too (default: false).
-- :param by             variant|task|project: one answer for each metric and variant, and in them for each task or project (default: variant).
-- :param top            How many tasks for each answer, latest first (default: 1).
-- :param at             Other metrics at the winner's iteration: a row for each that its task has; the nearest earlier iteration where that one has none, NULL when there is none (default: none).
-- :param at_variant     The variants that belong to at; filled in, never typed (default: none).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, may win (default: include).
-- :param nan_value      The value that stands for NaN instead of 0, as set in the SDK; several are possible (default: 0).
--
-- :example --metric accuracy --by project
WITH chosen AS (
    SELECT
        *,
        coalesce(NOT isfinite(last), last IS NULL) AND n > n_nonfinite + n_null AS look_again
    FROM series_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[]) AS series
    WHERE is_chosen(metric, variant, $metric, $variant::VARCHAR[], $all_metrics::BOOLEAN)
),
again AS (
    SELECT task_id, metric, variant, value, iteration, timestamp
    FROM points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric)
    SEMI JOIN (FROM chosen WHERE look_again) AS endless USING (task_id, metric, variant)
    WHERE isfinite(value) AND ($metric IS NULL OR list_contains($metric, metric))
    QUALIFY 1 = row_number() OVER (
        PARTITION BY task_id, metric, variant ORDER BY iteration DESC NULLS LAST
    )
),
candidates AS (
    SELECT
        chosen.*,
        CASE WHEN look_again THEN again.value WHEN isfinite(last) THEN last END AS value,
        CASE
            WHEN look_again THEN again.iteration WHEN isfinite(last) THEN last_iteration
        END AS iteration,
        CASE
            WHEN look_again THEN again.timestamp WHEN isfinite(last) THEN last_timestamp
        END AS timestamp,
        -epoch_us(timestamp) AS rank_1,
        -iteration::HUGEINT AS rank_2
    FROM chosen
    LEFT JOIN again USING (task_id, metric, variant)
),
points AS (
    FROM points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $at::VARCHAR[])
)
FROM best_tasks(
    'candidates', 'points', $by::VARCHAR, $top::BIGINT, $at::VARCHAR[], $at_variant::VARCHAR[]
);
