-- The tasks with a series that cannot match the server's summary: it is not stored; it has more
-- points than reports; a value is beyond the server's extremes, which are never reset; or an
-- extreme is not stored although no report replaced another.
SELECT DISTINCT named.task_id
FROM named
LEFT JOIN read_parquet($files) AS series USING (task_id, metric, variant)
WHERE series.n IS NULL OR (
    NOT $is_reread AND (
        reports < n OR series.min < low OR series.max > high
        OR (reports = n AND (series.min > low OR series.max < high))
    )
)
