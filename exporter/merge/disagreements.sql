-- The tasks with a series that differs between two snapshots; "requested" lists the tasks.
SELECT DISTINCT task_id
FROM (
    SELECT task_id
    FROM read_parquet($files)
    SEMI JOIN requested USING (task_id)
    GROUP BY
        task_id,
        metric,
        variant,
        n,
        n_nonfinite,
        n_null,
        min,
        min_iteration,
        min_timestamp,
        max,
        max_iteration,
        max_timestamp,
        first,
        first_iteration,
        first_timestamp,
        last,
        last_iteration,
        last_timestamp
    HAVING count(*) = 1
)
