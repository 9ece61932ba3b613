-- Groups of tasks: n, mean ± std, median and best of a metric, by hyperparameter, tag, week ….
--
-- Each task contributes one number: its highest or lowest finite value, depending on --best, or the
-- one chosen with --value, --smooth and --last; the column counted then says which. Single values
-- have no iteration and are not smoothed. A task with several tags is in the group of each; tasks
-- without a tag or hyperparameter form a group without a name. A week begins on Monday, UTC, and is
-- that of the task's creation. --by-all-except groups replicates: within a group all
-- hyperparameters are equal except those named, and each one that differs between groups is a
-- column. Numbers are compared as numbers: 1e-3 and 0.001 are the same group. The group with the
-- best mean is first. n counts the tasks with a finite value (std is NULL for a single one),
-- n_tasks all that have the metric, n_nonfinite and n_null points. task is the one with the best
-- value; ties go to the smallest id. Values beyond 1e150 are scaled down by 2^600 while averaging,
-- so that their squares do not overflow. Reads the series table, and points only for median and
-- with --smooth or --last.
--
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR.
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param best           highest|lowest|max|min: which values are better; max is highest, min is lowest. The command guesses it from well-known names: accuracy up, loss down.
-- :param by             What to group by: project, user, tag, week, status, type, or a hyperparameter as section/name; several can be combined (default: a single group).
-- :param by_all_except  A hyperparameter as section/name, or a glob: group by all others (default: none).
-- :param value          max|min|last|mean|median: which value of a series counts; last is the value at its last iteration or, with --smooth or --last, the last finite one (default: max for highest, min for lowest).
-- :param smooth         Weight of the exponential moving average, from 0 to less than 1: each series is smoothed first, as in curve (default: none).
-- :param last           Only the last N finite points of a series count; all of them are smoothed (default: all).
-- :param top            Number of groups (default: all).
-- :param sort           mean|median|best|std|n|group: what the groups are sorted by (default: mean, or group if grouped by week).
-- :param suspect_zeros  include|exclude: whether a 0 among values far from 0, probably a NaN, is included (default: include).
-- :param nan_value      The value that NaN was logged as, if the SDK was configured to use one other than 0; may be repeated (default: 0).
--
-- :answer metric, variant, counted, *, n, mean ± std
-- :example --metric accuracy --by Args/lr
WITH listed AS (
    FROM series_as_asked($suspect_zeros::VARCHAR, $nan_value::DOUBLE[], $metric::VARCHAR[]) AS series
    WHERE is_listed(metric, variant, $metric, $variant::VARCHAR[])
),
listed_points AS (
    FROM points_as_asked($suspect_zeros, $nan_value, $metric)
    WHERE list_contains($metric, metric)
),
again AS (
    FROM counted_from_points(
        'listed',
        'listed_points',
        false,
        coalesce($value::VARCHAR, usual_value($best::VARCHAR)),
        $smooth::DOUBLE,
        $last::BIGINT
    )
),
having_it AS (
    SELECT task_id, metric, variant, n, n_nonfinite, n_null, value
    FROM counted_series('listed', 'again', coalesce($value, usual_value($best)))
),
read_params AS (
    SELECT task_id, section || '/' || name AS key, arg_min(value, section) AS text
    FROM hyperparams
    SEMI JOIN having_it USING (task_id)
    WHERE $by_all_except::VARCHAR[] IS NOT NULL
    GROUP BY ALL
),
settings AS (FROM spelled_settings('read_params')),
varying AS (
    SELECT key
    FROM settings
    WHERE $by_all_except IS NOT NULL AND key NOT IN (SELECT unnest($by_all_except))
    GROUP BY key
    HAVING min(setting) < max(setting)
        OR count(setting) BETWEEN 1 AND count(*) - 1
        OR count(*) < (SELECT count(DISTINCT task_id) FROM having_it)
),
others AS (
    SELECT task_id, list({'key': key, 'setting': setting} ORDER BY key) AS others
    FROM settings
    SEMI JOIN varying USING (key)
    GROUP BY task_id
),
placed AS (
    SELECT
        having_it.*,
        tasks.name AS task,
        tasks.web_url,
        CASE $best WHEN 'highest' THEN value ELSE -value END AS worth,
        labels AS "group",
        coalesce(others, []) AS others
    FROM having_it
    JOIN grouped_tasks($by::VARCHAR[], NULL) USING (task_id)
    JOIN tasks USING (task_id)
    LEFT JOIN others USING (task_id)
),
grouped AS (
    SELECT
        metric,
        variant,
        "group",
        others,
        count(value) AS n,
        repeatable_mean(list(value) FILTER (value IS NOT NULL)) AS mean,
        repeatable_std(list(value) FILTER (value IS NOT NULL)) AS std,
        CASE
            WHEN max(abs(value)) > 1e150 THEN median(value * pow(2.0, -600)) * pow(2.0, 600)
            ELSE median(value)
        END AS median,
        CASE $best WHEN 'highest' THEN max(value) ELSE min(value) END AS best,
        first(task ORDER BY worth DESC, task_id) FILTER (value IS NOT NULL) AS task,
        first(task_id ORDER BY worth DESC, task_id) FILTER (value IS NOT NULL) AS task_id,
        first(web_url ORDER BY worth DESC, task_id) FILTER (value IS NOT NULL) AS web_url,
        count(*) AS n_tasks,
        sum(n)::BIGINT AS n_points,
        sum(n_nonfinite)::BIGINT AS n_nonfinite,
        sum(n_null)::BIGINT AS n_null
    FROM placed
    GROUP BY metric, variant, "group", others
),
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY metric, variant
            ORDER BY
                CASE
                        coalesce(
                            $sort::VARCHAR,
                            CASE WHEN list_contains($by, 'week') THEN 'group' ELSE 'mean' END
                        )
                    WHEN 'mean' THEN CASE $best WHEN 'highest' THEN -mean ELSE mean END
                    WHEN 'median' THEN CASE $best WHEN 'highest' THEN -median ELSE median END
                    WHEN 'best' THEN CASE $best WHEN 'highest' THEN -best ELSE best END
                    WHEN 'std' THEN std
                    WHEN 'n' THEN -n
                END NULLS LAST,
                by_label("group"),
                list_transform(
                    others,
                    lambda one: {
                        'key': one.key,
                        'number': nearest_number(one.setting),
                        'text': one.setting
                    }
                )
        ) AS place
    FROM grouped
)
SELECT
    metric,
    variant,
    "group",
    CASE
        WHEN $by_all_except IS NOT NULL THEN map_from_entries(
            list_transform(others, lambda one: (one.key, coalesce(one.setting, 'NULL')))
        )
    END AS parameters,
    n,
    mean,
    std,
    median,
    best,
    task,
    task_id,
    web_url,
    n_tasks,
    n_points,
    n_nonfinite,
    n_null,
    counted_as(coalesce($value, usual_value($best)), $smooth, $last) AS counted
FROM ranked
WHERE place <= coalesce($top::BIGINT, 9223372036854775807)
ORDER BY metric, variant, place;
