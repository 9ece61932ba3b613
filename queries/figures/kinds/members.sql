-- The tasks of each group, as in curve_by_group.sql.
SELECT task_id, labels
FROM grouped_tasks($by::VARCHAR[], $by_differing::VARCHAR[])
ORDER BY by_label(labels), task_id;
