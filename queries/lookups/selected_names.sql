-- The first names of selected tasks.
SELECT name
FROM picked.tasks
WHERE name IS NOT NULL
ORDER BY name
LIMIT $most
