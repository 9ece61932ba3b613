-- The user who ran the last export.
SELECT "user"
FROM files.exports
WHERE "user" IS NOT NULL
ORDER BY started DESC
LIMIT 1
