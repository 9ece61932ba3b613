-- The names of selected tasks that are most like a text; long names would take too long.
SELECT name
FROM picked.tasks
WHERE length(name) <= 200
GROUP BY name
ORDER BY
    contains(lower(name), lower($text)) DESC,
    jaro_winkler_similarity(left(lower(name), 200), left(lower($text), 200)) DESC,
    name
LIMIT $most
