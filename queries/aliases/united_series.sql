-- The series with their new names, in which those of a task that are one now are one row.
SELECT *
FROM files.separate_series
ANTI JOIN files.several USING (task_id, metric, variant)
UNION ALL
FROM files.united
