-- The metrics and variants that most tasks have, and how many there are; :monitor: metrics are left
-- out, as in a report.
SELECT metric, variant, count(*) OVER () AS n_variants
FROM series
WHERE NOT starts_with(metric, ':monitor:')
GROUP BY metric, variant
ORDER BY count(*) DESC, metric, variant
LIMIT $top::BIGINT;
