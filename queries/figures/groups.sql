-- The groups of a figure: their names, and how many tasks are in the mean at the steps.
SELECT
    curve,
    any_value(variant) AS variant,
    any_value("group") AS labels,
    max(n_tasks) AS n_tasks,
    min(n) FILTER (n > 0) AS fewest,
    max(n) AS most
FROM steps_of_groups
GROUP BY curve
ORDER BY curve;
