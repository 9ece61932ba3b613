-- Every hyperparameter with each of its values, once, with one task that has it.
SELECT section, name, value, min(task_id) AS task_id, count(*) AS n
FROM hyperparams
GROUP BY section, name, value
ORDER BY ALL;
