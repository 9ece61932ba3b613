-- The number of reports that the server had counted for the stored series of some tasks; a task
-- with a series that the server had not counted is not included.
SELECT task_id, sum(server_count)
FROM read_parquet($files)
WHERE task_id IN (SELECT unnest($ids::VARCHAR[]))
GROUP BY task_id
HAVING count(*) = count(server_count)
