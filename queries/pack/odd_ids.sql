-- Ids that are not the 32 hexadecimal digits of a ClearML server: a credential could be one.
SELECT DISTINCT kind, id
FROM (
    SELECT 'a task' AS kind, task_id AS id FROM tasks
    UNION ALL
    SELECT 'a project', project_id FROM tasks
    UNION ALL
    SELECT 'an export', export_id FROM exports
)
WHERE id IS NOT NULL AND NOT regexp_full_match(id, '[0-9a-f]{32}')
ORDER BY ALL;
