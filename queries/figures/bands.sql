-- The bands of groups: per pixel column the lowest and the highest of the band's edges. Steps at which
-- a band does not exist, because a group has one task there, divide it into pieces.
WITH pieces AS (
    SELECT
        curve,
        x,
        low,
        high,
        count(*) FILTER (low IS NULL OR high IS NULL) OVER (PARTITION BY curve ORDER BY x) AS piece
    FROM steps_of_groups
    WHERE isfinite(x) AND (NOT $is_log OR x > 0)
),
placed AS (
    SELECT *, CASE WHEN $is_log THEN log10(x) ELSE x END AS place
    FROM pieces
    WHERE isfinite(low) AND isfinite(high)
),
ranges AS (
    SELECT curve, min(place) AS first, max(place) AS last FROM placed GROUP BY curve
)
SELECT curve, piece, min(x) AS x, min(low) AS low, max(high) AS high
FROM (
    SELECT
        placed.*,
        CASE
            WHEN first = last THEN 0
            ELSE floor((place / 2 - first / 2) / (last / 2 - first / 2) * $columns)
        END AS part
    FROM placed
    JOIN ranges USING (curve)
)
GROUP BY curve, piece, part
ORDER BY curve, piece, x;
