-- The values of some hyperparameters in some tasks, each at the place of its name in $keys.
SELECT
    task_id,
    list_position($keys::VARCHAR[], section || '/' || name) - 1 AS place,
    left(arg_min(value, section), $longest::BIGINT + 1) AS value
FROM hyperparams
WHERE task_id IN (SELECT unnest($task_ids::VARCHAR[]))
    AND section || '/' || name IN (SELECT unnest($keys::VARCHAR[]))
GROUP BY task_id, place
HAVING value IS NOT NULL
ORDER BY task_id, place;
