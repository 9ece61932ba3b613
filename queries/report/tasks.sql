-- The tasks of a report, in the order of its lists.
SELECT
    task_id,
    name AS task,
    project,
    project_id,
    "user",
    user_id,
    status,
    type,
    list_sort(coalesce(tags, [])) AS tags,
    created,
    active_duration,
    state,
    archived,
    web_url
FROM tasks
WHERE $task_ids::VARCHAR[] IS NULL OR task_id IN (SELECT unnest($task_ids))
ORDER BY project NULLS LAST, created NULLS LAST, name NULLS LAST, task_id;
