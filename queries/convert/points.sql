-- The points of some tasks with the numbers of their task and curve: two curves per metric and
-- variant, of its iterations and of its single value. by_step orders the iterations of a task,
-- otherwise its curves come one after the other.
WITH chosen AS (
    SELECT
        unnest($metrics::VARCHAR[]) AS metric,
        unnest($variants::VARCHAR[]) AS variant,
        unnest(range(len($metrics))) AS pair
),
numbered AS (
    SELECT
        unnest($task_ids::VARCHAR[]) AS task_id,
        unnest(range(len($task_ids))) AS place
)
SELECT
    place,
    2 * pair + if(iteration IS NULL, 1, 0) AS curve,
    coalesce(iteration, 0) AS step,
    epoch_ms(timestamp)::DOUBLE AS time,
    value
FROM scalars
JOIN chosen USING (metric, variant)
JOIN numbered USING (task_id)
WHERE task_id BETWEEN $task_ids[1] AND $task_ids[-1] AND value IS NOT NULL
ORDER BY place, if($by_step::BOOLEAN, curve % 2, curve), step, curve;
