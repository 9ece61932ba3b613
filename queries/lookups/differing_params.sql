-- The hyperparameters, except those in by_all_except, that are not equal in all selected tasks that
-- have the selected metrics. Numbers are compared as numbers.
WITH having_it AS (
    SELECT DISTINCT task_id
    FROM series
    WHERE is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
),
settings AS (
    SELECT
        section || '/' || name AS key,
        arg_min(value, section) AS text,
        number_in(text) AS number
    FROM hyperparams
    SEMI JOIN having_it USING (task_id)
    GROUP BY task_id, key
)
SELECT key
FROM settings
WHERE key NOT IN (SELECT unnest($by_all_except::VARCHAR[]))
GROUP BY key
HAVING count(*) < (SELECT count(*) FROM having_it)
    OR count(text) BETWEEN 1 AND count(*) - 1
    OR count(DISTINCT CASE WHEN number IS NULL THEN text END) + count(DISTINCT number) > 1
ORDER BY key;
