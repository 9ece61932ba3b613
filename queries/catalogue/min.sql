-- Smallest finite value of every metric and variant, the best over all tasks.
--
-- NaN and infinities never win and are counted in n_nonfinite, values that are no number in
-- n_null. Ties go to the earliest iteration, then to the smallest task id; a single value takes
-- part and has no iteration. n_tasks, n_points, n_nonfinite and n_null count over everything
-- that the answer was chosen from. Answered from the series table; only series whose min is
-- exactly 0 are looked up in the points, and only when suspect zeros are excluded.
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR (default: every metric but :monitor:).
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param all_metrics    Take :monitor: metrics too (default: false).
-- :param by             variant|task|project: one answer for each metric and variant, and in them for each task or project (default: variant).
-- :param top            How many tasks for each answer, best first (default: 1).
-- :param at             Other metrics at the winner's iteration: a row for each that its task has; the nearest earlier iteration where that one has none, NULL when there is none (default: none).
-- :param at_variant     The variants that belong to at; filled in, never typed (default: none).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, may win (default: include).
-- :param nan_value      The value that stands for NaN instead of 0, as set in the SDK; several are possible (default: 0).
--
-- :example --metric loss/validation --top 3 --suspect-zeros exclude
WITH chosen AS (
    SELECT
        *,
        min AS value,
        min_iteration AS iteration,
        min_timestamp AS timestamp,
        CASE $by::VARCHAR WHEN 'task' THEN task_id WHEN 'project' THEN project_id END AS part
    FROM series_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[]) AS series
    WHERE CASE
        WHEN $metric::VARCHAR[] IS NULL
            THEN coalesce($all_metrics::BOOLEAN, false) OR NOT starts_with(metric, ':monitor:')
        ELSE (metric, variant) IN (SELECT (unnest($metric), unnest($variant::VARCHAR[])))
    END
),
winners AS (
    SELECT
        *,
        count(*) OVER everything AS n_tasks,
        (sum(n) OVER everything)::BIGINT AS n_points,
        (sum(n_nonfinite) OVER everything)::BIGINT AS all_nonfinite,
        (sum(n_null) OVER everything)::BIGINT AS all_null,
        row_number() OVER (
            PARTITION BY metric, variant, part
            ORDER BY value ASC NULLS LAST, iteration NULLS LAST, task_id
        ) AS place
    FROM chosen
    WINDOW everything AS (PARTITION BY metric, variant, part)
    QUALIFY place = 1 OR (place <= $top::BIGINT AND value IS NOT NULL)
),
at_series AS (
    SELECT task_id, metric AS at_metric, variant AS at_variant
    FROM series
    WHERE $at::VARCHAR[] IS NOT NULL
        AND (metric, variant) IN (SELECT (unnest($at), unnest($at_variant::VARCHAR[])))
),
at_points AS (
    SELECT
        winners.metric,
        winners.variant,
        winners.task_id,
        points.metric AS at_metric,
        points.variant AS at_variant,
        coalesce(arg_max(points.value, points.iteration), any_value(points.value)) AS at_value,
        max(points.iteration) AS at_iteration
    FROM winners
    JOIN points_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $at) AS points
        ON points.task_id = winners.task_id
        AND coalesce(
            points.iteration <= winners.iteration,
            points.iteration IS NULL AND winners.iteration IS NULL
        )
    WHERE $at IS NOT NULL
        AND list_contains($at, points.metric)
        AND (points.metric, points.variant) IN (SELECT (unnest($at), unnest($at_variant)))
        AND points.value IS NOT NULL
        AND winners.value IS NOT NULL
    GROUP BY ALL
)
SELECT
    metric,
    variant,
    winners.value,
    winners.iteration,
    winners.timestamp,
    at_metric,
    at_variant,
    at_value,
    at_iteration,
    tasks.name AS task,
    task_id,
    tasks.project,
    tasks.status,
    tasks.web_url,
    tasks.archived,
    n_tasks,
    n_points,
    all_nonfinite AS n_nonfinite,
    all_null AS n_null
FROM winners
LEFT JOIN tasks USING (task_id)
LEFT JOIN at_series USING (task_id)
LEFT JOIN at_points USING (metric, variant, task_id, at_metric, at_variant)
ORDER BY
    metric,
    variant,
    CASE WHEN $by = 'project' THEN tasks.project END NULLS LAST,
    value ASC NULLS LAST,
    iteration NULLS LAST,
    task_id,
    at_metric,
    at_variant;
