-- How many credentials exports and earlier packs have already removed from the selected tasks.
SELECT coalesce(sum(redacted), 0)::BIGINT AS n
FROM tasks
