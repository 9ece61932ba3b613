-- The number of suspect zeros of each metric and variant among the values of an answer.
--
-- field is the name of the value of a series that the answer uses; NULL means any of its points.
SELECT metric, variant, count(*) AS n_values, count(DISTINCT task_id) AS n_tasks
FROM suspects(
    $marks::DOUBLE[],
    metrics := $metric::VARCHAR[],
    task_ids := $task_ids::VARCHAR[],
    deciding := $field::VARCHAR
) AS suspect
JOIN series USING (task_id, metric, variant)
WHERE is_chosen(metric, variant, $metric, $variant::VARCHAR[], $all_metrics::BOOLEAN)
    AND CASE $field
        WHEN 'max' THEN iteration = max_iteration
        WHEN 'min' THEN iteration = min_iteration
        WHEN 'last' THEN iteration = last_iteration
        ELSE true
    END
GROUP BY metric, variant
ORDER BY metric, variant;
