-- The rows of the query curve by group, as a table with the number of each group, in their order.
CREATE OR REPLACE TEMP TABLE steps_of_groups AS
SELECT * EXCLUDE (first_place), dense_rank() OVER (ORDER BY first_place) AS curve
FROM (
    SELECT *, min(place) OVER (PARTITION BY metric, variant, "group") AS first_place
    FROM (SELECT *, row_number() OVER () AS place FROM rows_of_a_figure)
);
