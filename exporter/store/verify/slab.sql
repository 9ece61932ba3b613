-- How many points the metrics of a slab have.
SELECT count(*)
FROM scalars
WHERE metric BETWEEN $low AND $high
