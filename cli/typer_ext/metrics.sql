-- Names of metrics that start with $2, and metric/variant where variants can follow.
--
-- Variants follow if $2 already has the metric and a slash, or if only one metric fits and has
-- several of them: then no shell puts a space behind the metric. $1 is the files of series, $3 the
-- longest name.
WITH listed AS (
    SELECT DISTINCT metric, variant
    FROM read_parquet($1)
),
fitting AS (
    SELECT metric, count(*) > 1 AS has_several, count(*) OVER () = 1 AS is_alone
    FROM listed
    WHERE starts_with(metric, $2)
    GROUP BY metric
),
names AS (
    SELECT metric AS name
    FROM fitting
    UNION
    SELECT metric || '/' || variant
    FROM listed
    LEFT JOIN fitting USING (metric)
    WHERE starts_with($2, metric || '/') OR (is_alone AND has_several)
)
SELECT name
FROM names
WHERE starts_with(name, $2) AND length(name) <= $3
ORDER BY name;
