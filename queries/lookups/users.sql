-- Users with their names; one without a name has their id instead.
SELECT user_id, coalesce(any_value("user"), user_id)
FROM files.tasks
WHERE user_id IS NOT NULL
GROUP BY user_id
