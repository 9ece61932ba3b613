-- Points of one slab that are stored more than once, of the series in which that is possible.
--
-- Hashes are grouped first, eight bytes per point instead of its names; only points whose hash
-- occurs twice are then compared themselves, so that two keys with the same hash are not reported.
WITH doubled AS MATERIALIZED (
    SELECT hash(task_id, metric, variant, iteration) AS key
    FROM scalars
    SEMI JOIN overlapping USING (task_id, metric, variant)
    WHERE
        metric BETWEEN $low::VARCHAR AND $high::VARCHAR
        AND hash(task_id, variant) % $shares::UBIGINT = $share::UBIGINT
    GROUP BY key
    HAVING count(*) > 1
)
SELECT
    'stored more than once' AS kind,
    concat(
        count(*), ' times task ', task_id, ', ', metric, '/', variant,
        coalesce(', iteration ' || iteration, ', single value')
    ) AS problem
FROM scalars
SEMI JOIN overlapping USING (task_id, metric, variant)
WHERE
    metric BETWEEN $low::VARCHAR AND $high::VARCHAR
    AND hash(task_id, metric, variant, iteration) IN (SELECT key FROM doubled)
GROUP BY task_id, metric, variant, iteration
HAVING count(*) > 1;
