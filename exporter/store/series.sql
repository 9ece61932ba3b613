-- One row a task x metric x variant, out of the points of one commit.
--
-- NaN and infinities never win and are in no mean: DuckDB's own min and max let NaN win.
-- Ties go to the earliest iteration, which is never negated: -(-2^63) does not exist, ~ does.
-- A single value (NULL iteration) is the last one only when it is all there is, and never first.
-- One of $buckets shares of the series a run: an aggregate of millions of groups needs gigabytes.
-- Values beyond 1e150 are averaged 2^600 times smaller, or their squares and sums overflow.
WITH finite AS (
    SELECT
        *,
        CASE WHEN isfinite(value) THEN value END AS v
    FROM read_parquet($files::VARCHAR[], hive_partitioning = true, hive_types_autocast = false)
    WHERE
        $buckets::UBIGINT = 1
        OR hash(task_id, metric, variant) % $buckets::UBIGINT = $bucket::UBIGINT
),
claims AS (
    FROM read_parquet($claims::VARCHAR[])
    WHERE
        $buckets::UBIGINT = 1
        OR hash(task_id, metric, variant) % $buckets::UBIGINT = $bucket::UBIGINT
),
grouped AS (
    SELECT
        task_id,
        metric,
        variant,
        project_id,
        count(*) AS n,
        count(*) FILTER (WHERE NOT isfinite(value)) AS n_nonfinite,
        count(*) FILTER (WHERE value IS NULL) AS n_null,
        arg_min(
            {'value': v, 'iteration': iteration, 'timestamp': timestamp},
            {'value': v, 'iteration': iteration}
        ) FILTER (WHERE v IS NOT NULL) AS lowest,
        arg_max(
            {'value': v, 'iteration': iteration, 'timestamp': timestamp},
            {'value': v, 'known': iteration IS NOT NULL, 'earliest': ~iteration}
        ) FILTER (WHERE v IS NOT NULL) AS highest,
        max(abs(v)) AS magnitude,
        favg(v) AS mean,
        favg(v * pow(2.0, -600)) AS mean_scaled,
        stddev_samp(v) AS std,
        stddev_samp(v * pow(2.0, -600)) AS std_scaled,
        min(iteration) AS first_iteration,
        arg_min_null(value, iteration) AS first,
        arg_min_null(timestamp, iteration) AS first_timestamp,
        max(iteration) AS last_iteration,
        arg_max_null(value, iteration) AS last,
        arg_max_null(timestamp, iteration) AS last_timestamp,
        any_value(value) FILTER (WHERE iteration IS NULL) AS single,
        any_value(timestamp) FILTER (WHERE iteration IS NULL) AS single_timestamp
    FROM finite
    GROUP BY task_id, metric, variant, project_id
)
SELECT
    task_id,
    metric,
    variant,
    project_id,
    n,
    n_nonfinite,
    n_null,
    lowest.value AS min,
    lowest.iteration AS min_iteration,
    lowest.timestamp AS min_timestamp,
    highest.value AS max,
    highest.iteration AS max_iteration,
    highest.timestamp AS max_timestamp,
    CASE WHEN magnitude < 1e150 THEN mean ELSE mean_scaled * pow(2.0, 600) END AS mean,
    CASE
        WHEN n - n_nonfinite - n_null < 2 THEN NULL
        WHEN magnitude < 1e150 THEN std
        WHEN isfinite(std_scaled * pow(2.0, 600)) THEN std_scaled * pow(2.0, 600)
    END AS std,
    first,
    first_iteration,
    first_timestamp,
    CASE WHEN last_iteration IS NULL THEN single ELSE last END AS last,
    last_iteration,
    CASE WHEN last_iteration IS NULL THEN single_timestamp ELSE last_timestamp END AS last_timestamp,
    server_last,
    server_min,
    server_max,
    server_count,
    server_min_iteration,
    server_max_iteration
FROM grouped
LEFT JOIN claims USING (task_id, metric, variant)
ORDER BY metric, variant, task_id;
