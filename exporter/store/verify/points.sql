-- Compares the points of each task, counted again, with the columns of tasks.
WITH counted AS (
    SELECT task_id, sum(n)::BIGINT AS points
    FROM computed
    GROUP BY task_id
),
known AS (
    SELECT
        task_id,
        any_value(project_id) AS project_id,
        any_value(state) AS state,
        any_value(points_expected) AS points_expected,
        any_value(points_stored) AS points_stored
    FROM tasks
    GROUP BY task_id
)
SELECT 'task of scalars is not in tasks' AS kind, concat(task_id, ', ', points, ' points') AS problem
FROM counted
ANTI JOIN known USING (task_id)
UNION ALL
SELECT
    'points_stored is wrong',
    concat('task ', task_id, ', ', points_stored, ' instead of ', coalesce(points, 0))
FROM known
LEFT JOIN counted USING (task_id)
WHERE points_stored <> coalesce(points, 0)
UNION ALL
SELECT
    'complete without all of its points',
    concat('task ', task_id, ', ', coalesce(points, 0), ' of ', points_expected)
FROM known
LEFT JOIN counted USING (task_id)
WHERE state = 'complete' AND points_expected <> coalesce(points, 0)
UNION ALL
SELECT
    'points in the folder of another project',
    concat(
        'task ', computed.task_id, ', ', sum(n)::BIGINT, ' in ',
        coalesce(computed.project_id, 'no project'), ' instead of ',
        coalesce(known.project_id, 'no project')
    )
FROM computed
JOIN known ON known.task_id = computed.task_id
WHERE computed.project_id IS DISTINCT FROM known.project_id
GROUP BY computed.task_id, computed.project_id, known.project_id;
