-- The series again, from the runs of points of one share of them; the columns of series.
--
-- Ties go to the earliest iteration, and a single value (NULL iteration) is the last one only if
-- the series has no other point, as in parts/series.sql. Means and deviations of the few series
-- with several runs are joined as shares of the largest magnitude of their series, so that no
-- square is too large for a double.
WITH runs AS NOT MATERIALIZED (
    FROM read_parquet($runs::VARCHAR[], hive_partitioning = false)
    WHERE
        $buckets::UBIGINT = 1
        OR hash(task_id, metric, variant) % $buckets::UBIGINT = $bucket::UBIGINT
),
grouped AS MATERIALIZED (
    SELECT
        task_id,
        metric,
        variant,
        project_id,
        sum(n)::BIGINT AS n,
        sum(n_nonfinite)::BIGINT AS n_nonfinite,
        sum(n_null)::BIGINT AS n_null,
        arg_min(
            {'value': min, 'iteration': min_iteration, 'timestamp': min_timestamp},
            {'value': min, 'iteration': min_iteration}
        ) FILTER (WHERE min IS NOT NULL) AS lowest,
        arg_max(
            {'value': max, 'iteration': max_iteration, 'timestamp': max_timestamp},
            {'value': max, 'known': max_iteration IS NOT NULL, 'earliest': ~max_iteration}
        ) FILTER (WHERE max IS NOT NULL) AS highest,
        count(runs.mean) AS parts,
        sum(n_finite)::BIGINT AS n_finite,
        any_value(runs.mean) AS mean,
        any_value(runs.rms) AS rms,
        min(runs.first_iteration) AS first_iteration,
        arg_min_null(runs.first, runs.first_iteration) AS first,
        arg_min_null(runs.first_timestamp, runs.first_iteration) AS first_timestamp,
        max(runs.last_iteration) AS last_iteration,
        arg_max_null(runs.last, runs.last_iteration) AS last,
        arg_max_null(runs.last_timestamp, runs.last_iteration) AS last_timestamp,
        any_value(runs.first) FILTER (WHERE runs.first_iteration IS NULL) AS single,
        any_value(runs.first_timestamp) FILTER (WHERE runs.first_iteration IS NULL)
            AS single_timestamp
    FROM runs
    GROUP BY task_id, metric, variant, project_id
),
weighted AS (
    SELECT
        task_id,
        metric,
        variant,
        size,
        total,
        n_finite / total AS weight,
        coalesce(mean / nullif(size, 0), 0) AS mean,
        coalesce(rms / nullif(size, 0), 0) AS rms
    FROM (
        SELECT
            *,
            max(greatest(abs(min), abs(max))) OVER same AS size,
            sum(n_finite) OVER same AS total
        FROM runs
        SEMI JOIN (FROM grouped WHERE parts > 1) USING (task_id, metric, variant)
        WHERE n_finite > 0
        WINDOW same AS (PARTITION BY task_id, metric, variant)
    )
),
centred AS (
    SELECT
        *,
        sum(weight * mean) OVER (PARTITION BY task_id, metric, variant) AS centre
    FROM weighted
),
moments AS (
    SELECT
        task_id,
        metric,
        variant,
        any_value(size * centre) AS mean,
        any_value(size) * sqrt(sum(weight * (rms * rms + (mean - centre) * (mean - centre)))) AS rms
    FROM centred
    GROUP BY task_id, metric, variant
),
joined AS (
    SELECT
        grouped.* EXCLUDE (mean, rms),
        coalesce(moments.mean, grouped.mean) AS mean,
        CASE
            WHEN n_finite > 1
                THEN coalesce(moments.rms, grouped.rms) * sqrt(n_finite / (n_finite - 1))
        END AS std
    FROM grouped
    LEFT JOIN moments USING (task_id, metric, variant)
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
    CASE WHEN last_iteration IS NULL THEN single_timestamp ELSE last_timestamp END AS last_timestamp
FROM joined;
