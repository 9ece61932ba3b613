-- Where DuckDB has to look for the points of the tasks of a part.
SELECT min(task_id), max(task_id), list(DISTINCT project_id ORDER BY project_id), bool_or(project_id IS NULL)
FROM picked.task_places
WHERE place BETWEEN $first AND $last;
