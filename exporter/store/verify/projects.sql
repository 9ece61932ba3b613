-- How many projects the tasks are in.
SELECT count(DISTINCT project_id)
FROM tasks
