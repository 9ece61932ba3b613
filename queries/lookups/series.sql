-- Every stored metric with its variants, in alphabetical order.
SELECT DISTINCT metric, variant
FROM files.series
ORDER BY metric, variant
