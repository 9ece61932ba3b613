-- The groups of tasks, as in curve_by_group.sql: a task with several tags is in the group of each.
WITH read_params AS (
    SELECT task_id, section || '/' || name AS key, arg_min(value, section) AS text
    FROM hyperparams
    WHERE list_contains($by::VARCHAR[], 'param:' || section || '/' || name)
        OR list_contains($by_differing::VARCHAR[], section || '/' || name)
    GROUP BY ALL
),
settings AS (
    SELECT task_id, map_from_entries(list((key, setting) ORDER BY key)) AS settings
    FROM spelled_settings('read_params')
    GROUP BY task_id
),
about AS (
    SELECT
        tasks.*,
        unnest(
            CASE
                WHEN list_contains($by, 'tag') AND len(tags) > 0 THEN list_distinct(tags)
                ELSE [NULL]
            END
        ) AS tag,
        settings
    FROM tasks
    LEFT JOIN settings USING (task_id)
)
SELECT
    task_id,
    list_transform(
        coalesce($by, []),
        lambda one: CASE one
            WHEN 'project' THEN coalesce(project, project_id)
            WHEN 'user' THEN coalesce("user", user_id)
            WHEN 'tag' THEN tag
            WHEN 'week' THEN strftime(date_trunc('week', created::TIMESTAMP), '%Y-%m-%d')
            WHEN 'status' THEN status
            WHEN 'type' THEN type
            ELSE settings[one[7:]]
        END
    )
    || list_transform(
        coalesce($by_differing, []),
        lambda one: CASE
            WHEN list_contains(map_keys(settings), one) THEN coalesce(settings[one], 'NULL')
        END
    ) AS labels
FROM about
ORDER BY
    list_transform(labels, lambda one: {'number': nearest_number(one), 'text': one}),
    task_id;
