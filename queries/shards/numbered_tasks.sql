-- The tasks in the order of their names and ids, numbered from 0, as in sizes_of_tasks.sql.
SELECT
    task_id,
    project_id,
    row_number() OVER (ORDER BY name NULLS LAST, task_id) - 1 AS place
FROM (SELECT task_id, project_id, name FROM picked.tasks) AS tasks
FULL JOIN (SELECT DISTINCT task_id FROM picked.series) AS series USING (task_id);
