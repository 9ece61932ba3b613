-- Likely problems: failed and stale tasks, suspect zeros, spikes, plateaus, gaps, clock errors.
--
-- One row per finding, the most severe first; at most one of each kind per task or series, with the
-- first iteration and, in n, the number of occurrences. A finding is a hint, not a proof.
--
-- Tasks. failed: its status is failed. unread: it could not be read completely. stale: in_progress,
-- but without an update for a long time before the snapshot. short: it ended with far fewer
-- iterations than the median of its project's ended tasks, of which there are at least four;
-- :monitor: metrics do not count.
--
-- Values. nonfinite: NaN, infinities or NULL values. zero: exactly 0 among values far from 0,
-- probably a NaN (the view suspect_zeros); the kinds below ignore such values. diverged: the
-- last value is not finite, is such a zero, or lies more than ten interquartile ranges outside the
-- middle half of all values. spike: a jump up and down again (or down and up), both many times
-- larger than usual. plateau: most of the iterations come after both the highest and the lowest
-- value; the hours that they took are shown. A constant series is not a plateau. Unless metrics are
-- selected, plateaus are only looked for where the name tells which values are better, as those of
-- loss and accuracy do: a learning rate or the time of an epoch has no best value.
--
-- Iterations. gap: a step much larger than the usual one. offset: the first iteration is larger
-- than the range of iterations after it, as after a resume. backwards: the wall time decreases from
-- one iteration to the next, as when two runs write to one task.
--
-- :param kind           failed|unread|stale|short|nonfinite|zero|spike|diverged|plateau|gap|offset|backwards: what to look for; several are joined with OR (default: everything).
-- :param metric         A metric, metric/variant, or a glob of either; several are joined with OR (default: every metric but :monitor:).
-- :param variant        A variant or a glob; several are joined with OR (default: every variant).
-- :param all_metrics    Include :monitor: metrics (default: false).
-- :param stale_hours    Hours without an update (default: 24).
-- :param short_share    Share of the usual number of iterations (default: 0.1).
-- :param spike_factor   A spike is more than this many times the usual jump (default: 20).
-- :param plateau_share  Share of the iterations after the highest and the lowest value (default: 0.5).
-- :param plateau_metric  Metrics in which plateaus are looked for (default: those of --metric, or those whose name tells which values are better).
-- :param plateau_metric_variant  The variants of the metrics in plateau_metric; filled in automatically (default: none).
-- :param gap_factor     A gap is more than this many times the usual step of iterations (default: 5).
-- :param nan_value      The value that NaN was logged as, if the SDK was configured to use one other than 0; may be repeated (default: 0).
--
-- :answer severity, kind, task, task_id, metric, variant, iteration, detail
-- :shard series, sorted; kind failed|unread|stale|short at once; 1.5 times the points
-- :example --kind failed --kind zero --metric accuracy
WITH chosen AS MATERIALIZED (
    SELECT *, row_number() OVER () AS curve
    FROM series
    WHERE is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
        -- These kinds are about tasks.
        AND (
            $kind::VARCHAR[] IS NULL
            OR NOT list_has_all(['failed', 'unread', 'stale', 'short'], $kind)
        )
),
suspect AS MATERIALIZED (
    SELECT suspects.*, curve
    FROM suspects($nan_value::DOUBLE[], metrics := $metric) AS suspects
    JOIN chosen USING (task_id, metric, variant)
    WHERE $kind IS NULL
        OR list_has_any($kind, ['zero', 'spike', 'diverged', 'plateau', 'gap', 'backwards'])
),
-- The extremes of the series that have suspect zeros, computed without these zeros.
extremes AS (
    SELECT
        curve,
        first({'iteration': iteration, 'timestamp': timestamp} ORDER BY value, iteration) AS at_min,
        first({'iteration': iteration, 'timestamp': timestamp} ORDER BY value DESC, iteration)
            AS at_max,
        min(value) < max(value) AS differ
    FROM picked.scalars
    JOIN (SELECT DISTINCT task_id, metric, variant, curve FROM suspect) AS concerned
        USING (task_id, metric, variant)
    ANTI JOIN suspect USING (curve, iteration)
    WHERE isfinite(value) AND ($metric IS NULL OR list_contains($metric, metric))
    GROUP BY curve
),
now AS (
    SELECT greatest(
        (SELECT max(fetched_at) FROM tasks), (SELECT max(last_update) FROM tasks)
    ) AS now
),
lengths AS (
    SELECT
        *,
        median(length) OVER siblings AS usual,
        count(*) OVER siblings AS n_siblings
    FROM (
        SELECT
            tasks.task_id,
            any_value(tasks.project_id) AS project_id,
            any_value(status) AS status,
            max(series.last_iteration) AS length
        FROM tasks
        LEFT JOIN series
            ON series.task_id = tasks.task_id AND NOT starts_with(metric, ':monitor:')
        WHERE status IN ('completed', 'stopped', 'published', 'closed', 'failed')
        GROUP BY tasks.task_id
    )
    WINDOW siblings AS (PARTITION BY project_id)
),
-- One window over the points is used for every kind that compares neighbours; points have only the
-- number of their series. Suspect zeros are NULL in it: they are a separate kind.
points AS NOT MATERIALIZED (
    SELECT
        curve,
        iteration,
        timestamp,
        CASE WHEN is_suspect IS NULL THEN value END AS value
    FROM picked.scalars
    JOIN (SELECT task_id, metric, variant, curve FROM chosen) AS numbered
        USING (task_id, metric, variant)
    LEFT JOIN (SELECT curve, iteration, true AS is_suspect FROM suspect) AS marked
        USING (curve, iteration)
    WHERE iteration IS NOT NULL
        AND ($metric IS NULL OR list_contains($metric, metric))
        AND ($metric IS NOT NULL OR $all_metrics OR NOT starts_with(metric, ':monitor:'))
        AND (
            $kind::VARCHAR[] IS NULL
            OR list_has_any($kind, ['spike', 'diverged', 'gap', 'backwards'])
        )
),
usual AS MATERIALIZED (
    SELECT
        * EXCLUDE (quartiles),
        quartiles[1] AS lower,
        quartiles[2] AS upper,
        largest_step > usual_step * coalesce($gap_factor::DOUBLE, 5) AS has_gap,
        usual_jump > 0
        AND n_steps >= 10
        AND highest_peak > usual_jump * coalesce($spike_factor::DOUBLE, 20) AS has_spike
    FROM (
        SELECT
            curve,
            median(step) AS usual_step,
            max(step) AS largest_step,
            median(jump) FILTER (isfinite(jump)) AS usual_jump,
            max(peak) AS highest_peak,
            quantile_cont(value, [0.25, 0.75]) FILTER (isfinite(value)) AS quartiles,
            count(*) AS n_steps,
            count(*) FILTER (backwards) AS n_backwards,
            min(iteration) FILTER (backwards) AS backwards_at
        FROM steps('points')
        GROUP BY curve
    )
),
-- Most series have neither gaps nor spikes. The points of the others are read again.
odd_points AS (
    FROM points SEMI JOIN (FROM usual WHERE has_gap OR has_spike) AS odd USING (curve)
),
counted AS (
    SELECT
        curve,
        count(*) FILTER (step > usual_step * coalesce($gap_factor, 5)) AS n_gaps,
        min(iteration) FILTER (step > usual_step * coalesce($gap_factor, 5)) AS gap_at,
        count(*) FILTER (peak > usual_jump * coalesce($spike_factor, 20)) AS n_spikes,
        min(iteration) FILTER (peak > usual_jump * coalesce($spike_factor, 20)) AS spike_at
    FROM steps('odd_points')
    JOIN usual USING (curve)
    GROUP BY curve
),
about_points AS (
    SELECT
        task_id,
        metric,
        variant,
        unnest(
            [
                {
                    'kind': 'gap',
                    'n': CASE WHEN has_gap THEN n_gaps END,
                    'iteration': gap_at,
                    'detail': 'the largest step is ' || largest_step
                    || ' iterations, the usual one ' || in_four_digits(usual_step)
                },
                {
                    'kind': 'spike',
                    'n': CASE WHEN has_spike THEN n_spikes END,
                    'iteration': spike_at,
                    'detail': 'the largest jump is ' || in_four_digits(highest_peak)
                    || ', the usual one ' || in_four_digits(usual_jump)
                },
                {
                    'kind': 'backwards',
                    'n': n_backwards,
                    'iteration': backwards_at,
                    'detail': 'its time is earlier than at the iteration before'
                }
            ],
            recursive := true
        )
    FROM usual
    JOIN chosen USING (curve)
    LEFT JOIN counted USING (curve)
    WHERE has_gap OR has_spike OR n_backwards > 0
),
about_series AS (
    SELECT
        task_id,
        metric,
        variant,
        unnest(
            [
                {
                    'kind': 'nonfinite',
                    'n': n_nonfinite + n_null,
                    'iteration': NULL::BIGINT,
                    'detail': 'NaN, infinite or missing: ' || n_nonfinite + n_null || ' of ' || n
                    || ' values'
                },
                {
                    'kind': 'diverged',
                    'n': CASE
                        WHEN NOT isfinite(last) OR ends_suspect
                            OR greatest(lower - last, last - upper) > 10 * (upper - lower)
                            AND upper > lower AND n_steps >= 10 THEN 1
                    END,
                    'iteration': last_iteration,
                    'detail': CASE
                        WHEN ends_suspect
                            THEN 'the last value, ' || in_four_digits(last) || ', is probably a NaN'
                        ELSE 'the last value is ' || in_four_digits(last)
                    END || coalesce(
                        '; half of all values are between ' || in_four_digits(lower) || ' and '
                        || in_four_digits(upper),
                        ''
                    )
                },
                {
                    'kind': 'plateau',
                    'n': CASE
                        WHEN can_improve
                            AND best_share > coalesce($plateau_share::DOUBLE, 0.5) THEN 1
                    END,
                    'iteration': best_iteration,
                    'detail': 'no new highest or lowest value in the last '
                    || round(100 * best_share)::BIGINT || ' % of the iterations' || coalesce(
                        ' (' || round(epoch(last_timestamp - best_timestamp) / 3600, 2)
                        || ' hours)',
                        ''
                    )
                },
                {
                    'kind': 'offset',
                    'n': CASE
                        WHEN first_iteration > 0
                            AND first_iteration > last_iteration::HUGEINT - first_iteration
                            AND n >= 3 THEN 1
                    END,
                    'iteration': first_iteration,
                    'detail': 'begins at iteration ' || first_iteration || ' and ends at '
                    || last_iteration
                }
            ],
            recursive := true
        )
    FROM (
        SELECT
            *,
            greatest(
                CASE WHEN differ IS NULL THEN min_iteration ELSE at_min.iteration END,
                CASE WHEN differ IS NULL THEN max_iteration ELSE at_max.iteration END
            ) AS best_iteration,
            greatest(
                CASE WHEN differ IS NULL THEN min_timestamp ELSE at_min.timestamp END,
                CASE WHEN differ IS NULL THEN max_timestamp ELSE at_max.timestamp END
            ) AS best_timestamp,
            CASE
                WHEN n - n_nonfinite - n_null - coalesce(n_suspect, 0) >= 10
                    AND last_iteration > first_iteration
                    AND coalesce(differ, max > min) THEN
                    (last_iteration::HUGEINT - best_iteration)
                    / (last_iteration::HUGEINT - first_iteration)
            END AS best_share,
            coalesce(last_suspect = last_iteration, false) AS ends_suspect,
            $plateau_metric::VARCHAR[] IS NULL OR is_listed(
                metric, variant, $plateau_metric, $plateau_metric_variant::VARCHAR[]
            ) AS can_improve
        FROM chosen
        LEFT JOIN usual USING (curve)
        LEFT JOIN extremes USING (curve)
        LEFT JOIN (
            SELECT curve, count(*) AS n_suspect, max(iteration) AS last_suspect
            FROM suspect
            GROUP BY curve
        ) AS suspects_of USING (curve)
    )
),
about_tasks AS (
    SELECT
        task_id,
        unnest(
            [
                {
                    'kind': 'failed',
                    'found': status = 'failed',
                    'detail': coalesce(
                        nullif(status_message, ''), nullif(status_reason, ''), 'no reason given'
                    )
                },
                {
                    'kind': 'unread',
                    'found': state IN ('partial', 'failed', 'unread', 'lost'),
                    'detail': state || coalesce(': ' || reason, '')
                },
                {
                    'kind': 'stale',
                    'found': status = 'in_progress' AND now - last_update > to_hours(1)
                        * coalesce($stale_hours::DOUBLE, 24),
                    'detail': in_four_digits(round(epoch(now - last_update) / 3600, 1))
                    || ' hours without an update'
                },
                {
                    'kind': 'short',
                    'found': n_siblings >= 4
                        AND coalesce(length, 0) < usual * coalesce($short_share::DOUBLE, 0.1),
                    'detail': coalesce('the last iteration is ' || length, 'no iterations')
                    || '; the median of its project is ' || in_four_digits(usual)
                }
            ],
            recursive := true
        )
    FROM tasks
    CROSS JOIN now
    LEFT JOIN (SELECT task_id, length, usual, n_siblings FROM lengths) AS lengths USING (task_id)
),
zeros AS (
    SELECT
        task_id,
        metric,
        variant,
        'zero' AS kind,
        count(*) AS n,
        min(iteration) AS iteration,
        coalesce(
            'between ' || in_four_digits(arg_min(before, iteration)) || ' and '
            || in_four_digits(arg_min(after, iteration)),
            'after ' || in_four_digits(arg_min(before, iteration)) || ', to the end'
        ) AS detail
    FROM suspect
    GROUP BY task_id, metric, variant
),
findings AS (
    FROM zeros
    UNION ALL BY NAME
    FROM about_points
    WHERE n > 0
    UNION ALL BY NAME
    FROM about_series
    WHERE n > 0
    UNION ALL BY NAME
    SELECT task_id, kind, detail
    FROM about_tasks
    WHERE found
)
SELECT
    CASE
        WHEN kind IN ('failed', 'unread', 'stale', 'diverged', 'nonfinite', 'zero') THEN 'high'
        WHEN kind IN ('spike', 'backwards', 'short') THEN 'medium'
        ELSE 'low'
    END AS severity,
    kind,
    tasks.name AS task,
    task_id,
    metric,
    variant,
    iteration,
    n,
    detail,
    tasks.project,
    tasks.web_url
FROM findings
LEFT JOIN tasks USING (task_id)
WHERE $kind IS NULL OR list_contains($kind, kind)
ORDER BY
    list_position(['high', 'medium', 'low'], severity),
    kind,
    task,
    task_id,
    metric,
    variant;
