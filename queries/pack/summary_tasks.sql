-- The tasks in the order of summary.csv, and how many series each has.
SELECT task_id, count(series.task_id) AS n_series
FROM tasks
LEFT JOIN series USING (task_id)
GROUP BY task_id, project, name
ORDER BY project NULLS LAST, name NULLS LAST, task_id;
