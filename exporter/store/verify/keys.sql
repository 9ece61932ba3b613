-- Keys: none is NULL, each is unique, and each task exists.
SELECT 'task without an id' AS kind, coalesce(name, '?') AS problem
FROM tasks
WHERE task_id IS NULL
UNION ALL
SELECT 'task in tasks more than once', concat(task_id, ', ', count(*), ' rows')
FROM tasks
WHERE task_id IS NOT NULL
GROUP BY task_id
HAVING count(*) > 1
UNION ALL
SELECT 'key is NULL in scalars', concat(count(*), ' points')
FROM scalars
WHERE task_id IS NULL OR metric IS NULL OR variant IS NULL
HAVING count(*) > 0
UNION ALL
SELECT 'key is NULL in series', concat(count(*), ' series')
FROM series
WHERE task_id IS NULL OR metric IS NULL OR variant IS NULL
HAVING count(*) > 0
UNION ALL
SELECT 'key is NULL in hyperparams', concat(count(*), ' rows')
FROM hyperparams
WHERE task_id IS NULL OR section IS NULL OR name IS NULL
HAVING count(*) > 0
UNION ALL
SELECT 'series in series more than once', concat('task ', task_id, ', ', metric, '/', variant)
FROM series
GROUP BY task_id, metric, variant
HAVING count(*) > 1
UNION ALL
SELECT 'task of series is not in tasks', concat(task_id, ', ', count(*), ' series')
FROM series
WHERE task_id NOT IN (SELECT task_id FROM tasks WHERE task_id IS NOT NULL)
GROUP BY task_id
UNION ALL
SELECT 'task of hyperparams is not in tasks', concat(task_id, ', ', count(*), ' rows')
FROM hyperparams
WHERE task_id NOT IN (SELECT task_id FROM tasks WHERE task_id IS NOT NULL)
GROUP BY task_id;
