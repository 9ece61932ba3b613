-- The hyperparameters that have different values in these tasks, or that some of them lack.
SELECT section || '/' || name AS param, task_id, value
FROM hyperparams
WHERE task_id IN (SELECT unnest($task_ids::VARCHAR[]))
QUALIFY min(value) OVER (PARTITION BY section, name)
        IS DISTINCT FROM max(value) OVER (PARTITION BY section, name)
    OR count(*) OVER (PARTITION BY section, name) < len($task_ids)
ORDER BY section, name, task_id;
