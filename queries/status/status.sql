-- The contents of a snapshot, in one row.
--
-- A snapshot of format version 1 has no column `selected`: the name then refers to the outer query.
SELECT
    (SELECT count(*) FROM tasks WHERE status = 'in_progress') AS running,
    (SELECT count(*) FROM tasks WHERE archived) AS archived,
    (SELECT count(*) FROM tasks WHERE NOT selected) AS no_longer_selected,
    (SELECT count(*) FROM tasks WHERE state <> 'complete') AS problems,
    (SELECT count(*) FROM tasks WHERE state = 'gone' AND safe_to_delete_at IS NOT NULL)
        AS gone_as_listed,
    (SELECT coalesce(sum(n), 0)::BIGINT FROM series WHERE starts_with(metric, ':monitor:'))
        AS monitor_points,
    (SELECT count(*) FROM exports) AS exports
FROM (SELECT true AS selected);
