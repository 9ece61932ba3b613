-- Largest finite value of every metric and variant, the best over all tasks.
--
-- Another value of each task's series can count instead, such as its mean, or the highest value of
-- the smoothed curve: --value, --smooth and --last; the column counted then says which. Single values
-- have no iteration and are not smoothed.
--
-- NaN and infinities never win and are counted in n_nonfinite, NULL values in n_null. Ties go
-- to the earliest iteration, then to the smallest task id; single values are included and have no
-- iteration. n_tasks, n_points, n_nonfinite and n_null count everything that was compared. Reads
-- the series table; points are read only for last, median and with --smooth or --last, and for series
-- whose max is exactly 0 when suspect zeros are excluded.
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR (default: every metric but :monitor:).
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param all_metrics    Include :monitor: metrics (default: false).
-- :param by             variant|task|project: one result per metric and variant, or one per task or project within each (default: variant).
-- :param value          max|min|last|mean|median: which value of a series counts; last is its last finite value (default: max).
-- :param smooth         Weight of the exponential moving average, from 0 to less than 1: each series is smoothed first, as in curve (default: none).
-- :param last           Only the last N finite points of a series count; all of them are smoothed (default: all).
-- :param top            Number of tasks per result, best first (default: 1).
-- :param at             Other metrics at the winner's iteration, one row per metric of its task; if a metric has no point there, its nearest earlier one, else NULL (default: none).
-- :param at_variant     The variants of the metrics in at; filled in automatically (default: none).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, may win (default: include).
-- :param nan_value      The value that NaN was logged as, if the SDK was configured to use one other than 0; may be repeated (default: 0).
--
-- :answer metric, variant, counted, value, iteration, at_metric, at_variant, at_value, at_iteration, project if by project, task, task_id
-- :shard metric, only if by task or suspect_zeros exclude and no at; at most 200000 series, fewer if max is suspect
-- :example --metric accuracy --at loss
WITH listed AS (
    FROM series_as_asked(
        $suspect_zeros::VARCHAR,
        $nan_value::DOUBLE[],
        $metric::VARCHAR[],
        deciding := CASE
            WHEN $value::VARCHAR IN ('mean', 'median') THEN NULL ELSE coalesce($value, 'max')
        END
    ) AS series
    WHERE is_chosen(metric, variant, $metric, $variant::VARCHAR[], $all_metrics::BOOLEAN)
),
listed_points AS (
    FROM points_as_asked($suspect_zeros, $nan_value, $metric)
    -- DuckDB does not read what these conditions exclude: files are sorted by metric.
    WHERE ($metric IS NULL OR metric BETWEEN list_min($metric) AND list_max($metric))
        AND ($metric IS NOT NULL OR $all_metrics OR NOT starts_with(metric, ':monitor:'))
),
again AS (
    FROM counted_from_points(
        'listed',
        'listed_points',
        true,
        coalesce($value, 'max'),
        $smooth::DOUBLE,
        $last::BIGINT
    )
),
candidates AS (
    SELECT *, -value AS rank_1, iteration AS rank_2
    FROM counted_series('listed', 'again', coalesce($value, 'max'))
),
points AS (
    FROM points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $at::VARCHAR[])
)
SELECT *, counted_as(coalesce($value, 'max'), $smooth, $last) AS counted
FROM best_tasks(
    'candidates', 'points', $by::VARCHAR, $top::BIGINT, $at::VARCHAR[], $at_variant::VARCHAR[]
);
