-- Every metric filter with the first task that has it, and how many tasks have it.
SELECT metric_filter, min(task_id), count(*)
FROM tasks
WHERE metric_filter IS NOT NULL
GROUP BY metric_filter
ORDER BY min(task_id)
