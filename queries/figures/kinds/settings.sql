-- The values of hyperparameters. Equal numbers are spelled alike, so that 1e-3 and 0.001 are one value.
WITH read_params AS (
    SELECT task_id, section || '/' || name AS key, arg_min(value, section) AS text
    FROM hyperparams
    WHERE list_contains($params::VARCHAR[], section || '/' || name)
    GROUP BY ALL
)
SELECT task_id, key, setting, nearest_number(setting) AS number
FROM spelled_settings('read_params')
ORDER BY key, task_id;
