-- The points of an answer as a table, with a number for each value of the colour, numbers in the order
-- of numbers. A row without x has no place.
CREATE OR REPLACE TEMP TABLE points_of_a_figure AS
SELECT
    dense_rank() OVER (ORDER BY try_cast(label AS DOUBLE) NULLS LAST, label NULLS LAST) AS curve,
    label,
    x::DOUBLE AS x,
    value::DOUBLE AS value
FROM rows_of_a_figure
WHERE x IS NOT NULL;
