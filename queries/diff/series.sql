-- Series with points that are new, changed or gone; NULL on a side that does not have the series.
SELECT
    CASE
        WHEN was.n IS NULL THEN 'new'
        WHEN now.n IS NULL THEN 'gone'
        ELSE 'changed'
    END AS change,
    coalesce(young.name, old.name) AS task,
    task_id,
    coalesce(young.project, old.project) AS project,
    metric,
    variant,
    was.n AS n_before,
    now.n AS n_after,
    n_new,
    n_changed,
    n_gone,
    was.max AS max_before,
    now.max AS max_after,
    was.min AS min_before,
    now.min AS min_after,
    was.last AS last_before,
    now.last AS last_after
FROM diff.moved
LEFT JOIN before.series AS was USING (task_id, metric, variant)
LEFT JOIN after.series AS now USING (task_id, metric, variant)
LEFT JOIN before.tasks AS old USING (task_id)
LEFT JOIN after.tasks AS young USING (task_id)
ORDER BY task_id, metric, variant;
