-- One row per task x metric x variant, computed from the points of one commit.
--
-- NaN and infinities never win and are not in a mean: DuckDB's own min and max let NaN win. Ties go
-- to the earliest iteration, which is inverted with ~, because -(-2^63) overflows. A single value
-- (NULL iteration) is the last one only if the series has no other point, and never the first. Each
-- run computes one of $buckets shares of the series: millions of groups would need gigabytes.
--
-- The same points give the same bits of mean and std, in whatever order threads and files deliver
-- them: sums of doubles depend on that order, sums of integers do not. So values are summed as
-- 128-bit integers of 80 or more binary places below the largest magnitude of their series (for
-- the mean) or below its range (for the std, as distances from the lowest value). 2^45 points fit.
WITH finite AS NOT MATERIALIZED (
    SELECT
        *,
        CASE WHEN isfinite(value) THEN value END AS v
    FROM read_parquet($files::VARCHAR[], hive_partitioning = true, hive_types_autocast = false)
    WHERE
        $buckets::UBIGINT = 1
        OR hash(task_id, metric, variant) % $buckets::UBIGINT = $bucket::UBIGINT
),
server_values AS (
    FROM read_parquet($server_values::VARCHAR[])
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
        count(v) AS n_finite,
        max(abs(v)) AS magnitude,
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
),
-- A power of two as two factors, because it may be too large for a double; a range that is too
-- large for a double is divided by four.
scales AS (
    SELECT
        task_id,
        metric,
        variant,
        n_finite,
        pow(2.0, places // 2) AS scale,
        pow(2.0, places - places // 2) AS scale_again,
        part,
        lowest.value * part AS low,
        nullif(highest.value * part - lowest.value * part, 0) AS width
    FROM (
        SELECT
            *,
            80 - CASE WHEN magnitude > 0 THEN floor(log2(magnitude)) ELSE 0 END::BIGINT AS places,
            CASE WHEN isfinite(highest.value - lowest.value) THEN 1.0 ELSE 0.25 END AS part
        FROM grouped
        WHERE n_finite > 0
    )
),
units AS (
    SELECT
        task_id,
        metric,
        variant,
        v * scale * scale_again AS whole,
        (v * part - low) / width AS share
    FROM finite
    JOIN scales USING (task_id, metric, variant)
    WHERE v IS NOT NULL
),
sums AS (
    SELECT
        task_id,
        metric,
        variant,
        sum(whole::HUGEINT)::DOUBLE AS total,
        sum((share * pow(2.0, 80))::HUGEINT)::DOUBLE / pow(2.0, 80) AS shares,
        sum((share * share * pow(2.0, 80))::HUGEINT)::DOUBLE / pow(2.0, 80) AS squares
    FROM units
    GROUP BY task_id, metric, variant
),
moments AS (
    SELECT
        task_id,
        metric,
        variant,
        CASE
            WHEN width IS NULL THEN low / part
            ELSE total / n_finite / scale / scale_again
        END AS mean,
        CASE
            WHEN n_finite < 2 THEN NULL
            WHEN width IS NULL THEN 0.0
            -- Divided last: the width of values near the largest double is not a finite double.
            ELSE width
                * sqrt(greatest(squares - shares * shares / n_finite, 0) / (n_finite - 1)) / part
        END AS std
    FROM sums
    JOIN scales USING (task_id, metric, variant)
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
    mean,
    CASE WHEN isfinite(std) THEN std END AS std,
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
LEFT JOIN moments USING (task_id, metric, variant)
LEFT JOIN server_values USING (task_id, metric, variant)
ORDER BY metric, variant, task_id;
