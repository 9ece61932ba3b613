-- Zeros that may be NaN although nothing can show it: the only values of their series.
--
-- The rule is 5. of those in views.sql. The others are the only values of the same metric and
-- variant in all stored tasks, so that a filter of tasks does not change what is suspect.
WITH alone AS (
    SELECT task_id, metric, variant, max AS value
    FROM files.series
    WHERE n = 1
        AND isfinite(max)
        AND is_chosen(
            metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN
        )
),
marked AS (
    SELECT metric, variant, value AS mark, count(*) AS n_marks
    FROM alone
    WHERE list_contains($marks::DOUBLE[], value)
    GROUP BY ALL
),
odd AS (
    SELECT metric, variant, mark, min(value) AS lowest, max(value) AS highest
    FROM marked
    JOIN alone USING (metric, variant)
    WHERE NOT list_contains($marks, value)
    GROUP BY metric, variant, mark, n_marks
    HAVING count(*) >= 4 * n_marks
        AND (lowest > mark OR highest < mark)
        AND NOT bool_and(value = round(value))
        AND min(abs(value - mark)) >= quantile_disc(abs(value - mark), 0.5) / 2
)
SELECT metric, variant, task_id, mark + 0.0 AS mark, lowest, highest
FROM odd
JOIN series USING (metric, variant)
WHERE n = 1
    AND max = mark
    AND ($task_ids::VARCHAR[] IS NULL OR list_contains($task_ids, task_id))
    AND ($has_iteration::BOOLEAN IS NOT true OR first_iteration IS NOT NULL)
ORDER BY metric, variant, mark, task_id;
