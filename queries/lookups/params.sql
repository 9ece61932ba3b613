-- Every stored hyperparameter as section/name, in alphabetical order.
SELECT DISTINCT section || '/' || name AS param
FROM files.hyperparams
ORDER BY param
