-- Series of one share of them with two runs whose iterations overlap, or with two single values.
--
-- The iterations within a run increase, so a point can only be stored twice in such a series.
WITH runs AS NOT MATERIALIZED (
    FROM read_parquet($runs::VARCHAR[], hive_partitioning = false)
    WHERE
        $buckets::UBIGINT = 1
        OR hash(task_id, metric, variant) % $buckets::UBIGINT = $bucket::UBIGINT
),
several AS (
    SELECT task_id, metric, variant
    FROM runs
    GROUP BY task_id, metric, variant
    HAVING count(*) > 1
),
neighbours AS (
    SELECT
        task_id,
        metric,
        variant,
        first_iteration,
        row_number() OVER same AS place,
        lag(last_iteration) OVER same AS before
    FROM runs
    JOIN several USING (task_id, metric, variant)
    WINDOW same AS (PARTITION BY task_id, metric, variant ORDER BY first_iteration NULLS FIRST)
)
SELECT DISTINCT task_id, metric, variant
FROM neighbours
WHERE place > 1 AND (first_iteration IS NULL OR first_iteration <= before);
