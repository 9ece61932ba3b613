-- How many series the server's summary covers, and why it does not cover the others.
--
-- A series has at most one reason. The server summarises at most 2,000 series per task: if that
-- many series of a task have a summary, those without one were added later.
WITH covered AS (
    SELECT
        *,
        coalesce(server_count, server_last, server_min, server_max) IS NOT NULL AS is_covered,
        count(*) FILTER (is_covered) OVER (PARTITION BY task_id) AS n_covered
    FROM series
),
explained AS (
    SELECT
        is_covered,
        is_covered AND server_count IS NULL AS is_uncounted,
        CASE
            WHEN is_covered THEN NULL
            WHEN n = n_nonfinite + n_null THEN 'no numbers'
            WHEN n_covered >= 2000 THEN 'beyond the cap'
            WHEN tasks.state IN ('shrunk', 'gone', 'lost') THEN 'lost'
            ELSE 'unreported'
        END AS why
    FROM covered
    LEFT JOIN tasks USING (task_id)
)
SELECT
    count(*) FILTER (is_covered) AS compared,
    count(*) FILTER (is_uncounted) AS uncounted,
    count(*) FILTER (why = 'no numbers') AS without_numbers,
    count(*) FILTER (why = 'beyond the cap') AS beyond_cap,
    count(*) FILTER (why = 'lost') AS lost,
    count(*) FILTER (why = 'unreported') AS unreported,
    (SELECT count(*) FROM tasks WHERE state = 'lost') AS lost_tasks
FROM explained;
