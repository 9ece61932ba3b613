-- How many points of each differing series are new, changed and gone.
SELECT
    task_id,
    metric,
    variant,
    CASE WHEN own_before IS NULL THEN own_after ELSE coalesce(n_new, 0) END AS n_new,
    coalesce(n_changed, 0) AS n_changed,
    CASE WHEN own_after IS NULL THEN own_before ELSE coalesce(n_gone, 0) END AS n_gone
FROM diff.differing
LEFT JOIN diff.points USING (number);
