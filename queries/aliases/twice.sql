-- A task that has a point of two series at one iteration, which are one series now.
SELECT several.task_id, name, several.metric, several.variant, several.stored, iteration
FROM (
    SELECT task_id, metric, variant, iteration
    FROM files.scalars
    SEMI JOIN files.several USING (task_id, metric, variant)
    WHERE
        $buckets::UBIGINT = 1
        OR hash(task_id, metric, variant) % $buckets::UBIGINT = $bucket::UBIGINT
    GROUP BY task_id, metric, variant, iteration
    HAVING count(*) > 1
    ORDER BY metric, variant, task_id, iteration NULLS FIRST
    LIMIT 1
)
JOIN files.several USING (task_id, metric, variant)
LEFT JOIN files.tasks USING (task_id)
