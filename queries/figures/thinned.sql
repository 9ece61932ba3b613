-- Points that draw the same picture as all of them: of each curve and pixel column the first, the
-- last, the lowest and the highest finite point, and the first NULL, NaN, infinity and -infinity,
-- unchanged. Nothing is averaged, so that one spike among millions of points stays visible.
--
-- The columns divide the curve's own range of x (of log10 x, if is_log), which is not wider than
-- the axis: a figure as many pixels wide as there are columns has at most one of them per pixel.
-- points names a table with curve, x and value; n is the number of points in the same column
-- that are finite, or the same kind of not finite. Aggregates
-- compare points as wholes, so that the answer does not depend on the order in which they come.
CREATE OR REPLACE TEMP MACRO thinned(points, columns, is_log) AS TABLE
WITH placed AS (
    SELECT curve, x, value, CASE WHEN is_log THEN log10(x) ELSE x END AS place
    FROM query_table(points)
    WHERE isfinite(x) AND (NOT is_log OR x > 0)
),
ranges AS (
    SELECT curve, min(place) AS low, max(place) AS high
    FROM placed
    GROUP BY curve
),
in_columns AS (
    SELECT
        curve,
        x,
        value,
        -- Halves: the difference of two doubles may be too large for one.
        CASE
            WHEN low = high THEN 0
            ELSE least(columns - 1, floor((place / 2 - low / 2) / (high / 2 - low / 2) * columns))
        END::BIGINT AS part
    FROM placed
    JOIN ranges USING (curve)
),
ends AS (
    SELECT
        curve,
        count(*) AS n,
        min({'x': x, 'value': value}) AS first,
        max({'x': x, 'value': value}) AS last,
        min({'value': value, 'x': x}) AS lowest,
        max({'value': value, 'x': -x}) AS highest
    FROM in_columns
    WHERE isfinite(value)
    GROUP BY curve, part
),
kept AS (
    SELECT
        curve,
        n,
        unnest([
            first,
            last,
            {'x': lowest.x, 'value': lowest.value},
            {'x': -highest.x, 'value': highest.value}
        ]) AS point
    FROM ends
)
SELECT DISTINCT curve, point.x AS x, point.value AS value, n
FROM kept
UNION ALL
SELECT curve, min(x) AS x, value, count(*) AS n
FROM in_columns
WHERE NOT coalesce(isfinite(value), false)
GROUP BY curve, part, value
ORDER BY curve, x, value NULLS LAST;
