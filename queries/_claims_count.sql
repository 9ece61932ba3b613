-- How many series the server's summary covers, and how many it leaves out of tasks that have one.
SELECT
    count(*) FILTER (server_count IS NOT NULL) AS compared,
    count(*) FILTER (server_count IS NULL AND task_id IN (
        SELECT task_id FROM series WHERE server_count IS NOT NULL
    )) AS unclaimed
FROM series;
