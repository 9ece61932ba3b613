-- Groups of tasks that agree in every hyperparameter but $by_all_except, and in which several tasks
-- agree in these as well. Settings are compared by the sums of their hashes.
WITH chosen AS (
    SELECT DISTINCT metric, variant, task_id
    FROM series
    WHERE is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
),
settings AS (
    SELECT
        task_id,
        list_contains($by_all_except::VARCHAR[], section || '/' || name) AS is_named,
        hash(section || '/' || name, coalesce(number_in(value)::VARCHAR, value)) AS setting
    FROM hyperparams
    SEMI JOIN chosen USING (task_id)
),
compared AS (
    SELECT
        task_id,
        sum(setting::HUGEINT) FILTER (NOT is_named) AS others,
        coalesce(sum(setting::HUGEINT) FILTER (is_named), 0) AS named
    FROM settings
    GROUP BY task_id
)
SELECT DISTINCT min(name) AS task, count(*) AS n_tasks, count(DISTINCT named) AS n_different
FROM chosen
JOIN compared USING (task_id)
JOIN tasks USING (task_id)
GROUP BY metric, variant, others
HAVING count(*) > count(DISTINCT named)
ORDER BY n_different - n_tasks, task;
