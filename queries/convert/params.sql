-- The hyperparameters of some tasks.
SELECT task_id, section || '/' || name AS param, value
FROM hyperparams
WHERE task_id IN (SELECT unnest($task_ids::VARCHAR[])) AND value IS NOT NULL
ORDER BY task_id, param;
