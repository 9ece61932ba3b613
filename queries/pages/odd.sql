-- Metrics and variants with values that are not finite numbers; those with most of them come first.
SELECT
    metric,
    variant,
    count(*) AS n_tasks,
    sum(n)::BIGINT AS n_points,
    sum(n_nonfinite)::BIGINT AS n_nonfinite,
    sum(n_null)::BIGINT AS n_null
FROM series
WHERE n_nonfinite > 0 OR n_null > 0
GROUP BY metric, variant
ORDER BY sum(n_nonfinite + n_null) DESC, metric, variant
LIMIT $top::BIGINT;
