-- The selected tasks that a text matches: a name in either Unicode form, or the start of an id.
SELECT task_id
FROM picked.tasks
WHERE ($name <> '' AND nfc_normalize(name) = $name)
    OR ($start <> '' AND starts_with(task_id, $start))
ORDER BY task_id
