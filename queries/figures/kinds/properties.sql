-- What gives tasks their colour: the project, the user, or all tags together.
SELECT
    task_id,
    CASE $property::VARCHAR
        WHEN 'project' THEN coalesce(project, '(none)')
        WHEN 'user' THEN coalesce("user", '(none)')
        ELSE coalesce(nullif(list_aggregate(list_sort(tags), 'string_agg', ', '), ''), '(no tag)')
    END AS property
FROM tasks
ORDER BY task_id;
