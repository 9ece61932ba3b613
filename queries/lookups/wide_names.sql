-- The names that the columns of the query wide are made from: what any of the selected tasks has.
SELECT DISTINCT 'metric' AS kind, metric AS first, variant AS second
FROM picked.series
UNION ALL
SELECT DISTINCT 'param', section, name
FROM picked.hyperparams
ORDER BY kind DESC, first, second
