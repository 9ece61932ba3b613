-- The value of a hyperparameter in each task that has it. Sections and names may contain slashes:
-- of two with the same name the one with the first section counts, as in the view params.
SELECT task_id, arg_min(value, section) AS value
FROM files.hyperparams
WHERE section || '/' || name = $param
GROUP BY task_id
HAVING value IS NOT NULL
