-- How many points of a differing series are new, changed and gone, where both sides have some.
--
-- A point has changed if its value has; NaN equals NaN and NULL equals NULL. The number of the
-- series replaces three texts, which would make the join four times as large.
WITH both_sides AS (
    FROM diff.differing WHERE own_before IS NOT NULL AND own_after IS NOT NULL
),
was AS (
    SELECT number, iteration, value
    FROM before_own.scalars
    JOIN both_sides USING (task_id, metric, variant)
),
now AS (
    SELECT number, iteration, value
    FROM after_own.scalars
    JOIN both_sides USING (task_id, metric, variant)
)
SELECT
    coalesce(was.number, now.number) AS number,
    count(*) FILTER (was.number IS NULL) AS n_new,
    count(*) FILTER (
        was.number IS NOT NULL
        AND now.number IS NOT NULL
        AND was.value IS DISTINCT FROM now.value
    ) AS n_changed,
    count(*) FILTER (now.number IS NULL) AS n_gone
FROM was
FULL JOIN now ON was.number = now.number AND was.iteration IS NOT DISTINCT FROM now.iteration
GROUP BY ALL;
