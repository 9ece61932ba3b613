-- The ids of the tasks that a filter selects; a parameter that is NULL does not filter.
SELECT task_id
FROM files.tasks
WHERE ($project_ids::VARCHAR[] IS NULL OR list_contains($project_ids, project_id))
    AND ($task_names::VARCHAR[] IS NULL OR list_contains($task_names, name))
    AND ($task_ids::VARCHAR[] IS NULL OR list_contains($task_ids, task_id))
    AND (
        $fulfilling_ids::VARCHAR[] IS NULL
        OR task_id IN (SELECT unnest($fulfilling_ids))
    )
    AND list_has_all(coalesce(tags, []), $tags::VARCHAR[])
    AND len(
        list_filter(
            $tag_groups::VARCHAR[][], lambda names : NOT list_has_any(coalesce(tags, []), names)
        )
    ) = 0
    AND ($any_tags::VARCHAR[] = [] OR list_has_any(coalesce(tags, []), $any_tags))
    AND NOT list_has_any(coalesce(tags, []), $exclude_tags::VARCHAR[])
    AND ($statuses::VARCHAR[] IS NULL OR list_contains($statuses, status))
    AND ($types::VARCHAR[] IS NULL OR list_contains($types, type))
    AND ($user_ids::VARCHAR[] IS NULL OR list_contains($user_ids, user_id))
    AND ($created_after::TIMESTAMPTZ IS NULL OR created >= $created_after)
    AND ($created_before::TIMESTAMPTZ IS NULL OR created < $created_before)
    AND ($updated_after::TIMESTAMPTZ IS NULL OR last_update >= $updated_after)
    AND ($updated_before::TIMESTAMPTZ IS NULL OR last_update < $updated_before)
    AND CASE $archived::VARCHAR
        WHEN 'exclude' THEN NOT coalesce(archived, false)
        WHEN 'only' THEN coalesce(archived, false)
        ELSE true
    END
ORDER BY
    $order::VARCHAR = 'archived-first' AND NOT coalesce(archived, false),
    CASE WHEN $order <> 'newest' THEN created END NULLS LAST,
    CASE WHEN $order = 'newest' THEN created END DESC NULLS LAST,
    task_id
LIMIT coalesce($limit::BIGINT, 9223372036854775807);
