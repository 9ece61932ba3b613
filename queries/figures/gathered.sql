-- The points of the chosen series, as a table with the number of each series.
CREATE OR REPLACE TEMP TABLE points_of_a_figure AS
SELECT curve, x, value, smoothed
FROM rows_of_a_figure
JOIN series_of_a_figure USING (metric, variant, task_id);
