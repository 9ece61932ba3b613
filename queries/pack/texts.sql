-- Every distinct text of the snapshot that may contain a credential, and one task that has it.
--
-- Texts of tasks longer than $longest bytes are not included: see long_texts.py.
SELECT 'tasks' AS table_name, column_name, text, min(task_id) AS task_id, count(*) AS n
FROM (
    UNPIVOT (
        SELECT
            task_id,
            name,
            project,
            type,
            status,
            user_id,
            parent,
            status_reason,
            status_message,
            "user",
            comment,
            repository,
            branch,
            "commit",
            entry_point,
            web_url,
            server_id,
            metric_filter,
            reason
        FROM tasks
    ) ON COLUMNS(* EXCLUDE (task_id)) INTO NAME column_name VALUE text
)
WHERE strlen(text) <= $longest::BIGINT
GROUP BY ALL
UNION ALL
SELECT 'tasks', 'tags', tag, min(task_id), count(*)
FROM (SELECT task_id, unnest(tags) AS tag FROM tasks)
GROUP BY tag
UNION ALL
SELECT 'tasks', 'system_tags', tag, min(task_id), count(*)
FROM (SELECT task_id, unnest(system_tags) AS tag FROM tasks)
GROUP BY tag
UNION ALL
SELECT 'hyperparams', 'type', type, min(task_id), count(*)
FROM hyperparams
WHERE type IS NOT NULL
GROUP BY type
UNION ALL
SELECT 'series', 'metric', metric, min(task_id), count(*)
FROM series
GROUP BY metric
UNION ALL
SELECT 'series', 'variant', variant, min(task_id), count(*)
FROM series
GROUP BY variant
UNION ALL
SELECT 'scalars', 'worker', worker, min(task_id), count(*)
FROM scalars
WHERE worker IS NOT NULL
GROUP BY worker
UNION ALL
SELECT 'exports', column_name, text, NULL, count(*)
FROM (
    UNPIVOT (SELECT server, "user", selections, result, error, tool_version FROM exports)
    ON COLUMNS(*) INTO NAME column_name VALUE text
)
GROUP BY column_name, text
UNION ALL
SELECT 'exports', 'warnings', warning, NULL, count(*)
FROM (SELECT unnest(warnings) AS warning FROM exports)
GROUP BY warning
ORDER BY ALL;
