-- The export that began last.
SELECT started, finished, result, points, requests, "user", error
FROM exports
ORDER BY started DESC, export_id
LIMIT 1;
