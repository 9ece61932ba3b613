-- Logged metrics, one row per metric and variant, over all tasks.
--
-- min and max are over finite values; NaN and infinities are counted in n_nonfinite, NULL values
-- in n_null. first_iteration and last_iteration are NULL if there are only single values. newest is
-- the wall time of the last point of the task that logged last. Reads the series table.
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR (default: every metric but :monitor:).
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param all_metrics    Include :monitor: metrics (default: false).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, is included (default: include).
-- :param nan_value      The value that NaN was logged as, if the SDK was configured to use one other than 0; may be repeated (default: 0).
--
-- :answer metric, variant, n_tasks, n_points, min, max
-- :example --metric accuracy --metric loss
SELECT
    metric,
    variant,
    count(*) AS n_tasks,
    sum(n)::BIGINT AS n_points,
    sum(n_nonfinite)::BIGINT AS n_nonfinite,
    sum(n_null)::BIGINT AS n_null,
    min(min) AS min,
    max(max) AS max,
    min(first_iteration) AS first_iteration,
    max(last_iteration) AS last_iteration,
    max(last_timestamp) AS newest
FROM series_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[]) AS series
WHERE is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
GROUP BY metric, variant
ORDER BY metric, variant;
