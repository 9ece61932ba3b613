-- The number of selected tasks that have the stored series of each line of a note.
SELECT line, count(DISTINCT task_id) AS n_tasks
FROM as_stored.series
JOIN (
    SELECT
        unnest($metrics::VARCHAR[]) AS metric,
        unnest($variants::VARCHAR[]) AS variant,
        unnest($lines::BIGINT[]) AS line
) USING (metric, variant)
SEMI JOIN picked.tasks USING (task_id)
GROUP BY line
ORDER BY line;
