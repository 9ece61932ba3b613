-- The hyperparameters of the tasks of a report.
SELECT section || '/' || name AS param, task_id, arg_min(value, section) AS value
FROM hyperparams
WHERE $task_ids::VARCHAR[] IS NULL OR task_id IN (SELECT unnest($task_ids))
GROUP BY param, task_id
ORDER BY param, task_id;
