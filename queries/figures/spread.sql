-- What many curves have in common: per part of x the lowest, the median and the highest of them.
-- A curve that has no point in a part keeps its last value until it ends.
WITH placed AS (
    SELECT curve, x, value, CASE WHEN $is_log THEN log10(x) ELSE x END AS place
    FROM points_of_a_figure
    WHERE isfinite(x) AND isfinite(value) AND (NOT $is_log OR x > 0)
),
axis AS (SELECT min(place) AS low, max(place) AS high FROM placed),
in_parts AS (
    SELECT
        curve,
        x,
        value,
        CASE
            WHEN low = high THEN 0
            ELSE least($columns - 1, floor((place / 2 - low / 2) / (high / 2 - low / 2) * $columns))
        END::BIGINT AS part
    FROM placed
    CROSS JOIN axis
),
ends AS (
    SELECT
        curve,
        part,
        max({'x': x, 'value': value}).value AS value,
        min(value) AS low,
        max(value) AS high,
        max(x) AS x
    FROM in_parts
    GROUP BY curve, part
),
kept AS (
    SELECT *, coalesce(lead(part) OVER (PARTITION BY curve ORDER BY part) - 1, part) AS until
    FROM ends
),
at_parts AS (
    SELECT curve, part AS step, part, value, low, high
    FROM kept
    UNION ALL
    SELECT curve, unnest(range(part + 1, until + 1)) AS step, part, value, value, value
    FROM kept
)
SELECT
    max(xs.x) AS x,
    quantile_disc(value, 0.5) AS middle,
    min(low) AS low,
    max(high) AS high,
    count(*) AS n
FROM at_parts
JOIN (SELECT part AS step, max(x) AS x FROM ends GROUP BY part) AS xs USING (step)
GROUP BY step
ORDER BY x;
