-- The export that began last.
SELECT started, finished, result, points, requests, "user"
FROM exports
ORDER BY started DESC, export_id
LIMIT 1;
