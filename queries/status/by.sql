-- Projects, users or tasks by their number of points.
WITH counted AS (
    SELECT task_id, count(*) AS series, sum(n)::BIGINT AS points
    FROM series
    GROUP BY task_id
),
named AS (
    SELECT
        CASE $by::VARCHAR
            WHEN 'project' THEN coalesce(project_id, '')
            WHEN 'user' THEN coalesce(user_id, '')
            ELSE task_id
        END AS id,
        CASE $by::VARCHAR
            WHEN 'project' THEN coalesce(project, '(no project)')
            WHEN 'user' THEN coalesce("user", user_id, '(unknown)')
            ELSE name
        END AS name,
        task_id,
        series,
        points,
        fetched_at
    FROM tasks
    LEFT JOIN counted USING (task_id)
)
SELECT
    arg_max(name, {'at': fetched_at, 'task': task_id}) AS name,
    id,
    count(*) AS tasks,
    coalesce(sum(series), 0)::BIGINT AS series,
    coalesce(sum(points), 0)::BIGINT AS points,
    coalesce(round(sum(points) / nullif(sum(sum(points)) OVER (), 0), 4), 0) AS share,
    max(fetched_at) AS fetched_at
FROM named
GROUP BY id
ORDER BY points DESC, name, id
LIMIT $top::BIGINT;
