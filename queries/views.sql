-- The views and macros that statements use, besides those in exporter/store/format/views.sql; each
-- is created when a statement needs it.
--
-- Points that are probably NaN: the SDK logs NaN and infinities as 0, or as a value that the user
-- sets. marks lists such values; NULL means only 0. metrics and task_ids list what is examined;
-- NULL means everything.
--
-- 1. A point whose value is a mark is suspect if the nearest values before and after it (other
--    marks are skipped; at the end of a series only the value before counts) are on the same side
--    of the mark and far from it. Far means at least half the median distance of the ten values
--    before or, if the curve falls or rises fast, 2.5 times its steps there.
-- 2. A distance that noise, rounding or underflow can explain is not far: 1.4 times the usual bend
--    of the curve nearby, or a millionth of the median distance. If the curve has decreased to less
--    than a third of its median distance, or has already been closer to the mark than three
--    quarters of its noise, it may reach the mark: far then means a usual step and three times the
--    noise. Noise is a bend that the next bend reverses, among the 30 values before. It has less
--    weight if the four latest values have less of it and it is small compared with the values,
--    because such noise may decrease with them.
-- 3. Counts, and shares of few samples, are true zeros: nothing is suspect among five or more whole
--    numbers, nor within 100 times the smallest step if all values are multiples of it or a tenth
--    of them repeat (10 times if they follow a straight line). Neither is anything in a schedule,
--    which keeps its value for four of five steps.
-- 4. Marks are suspect only if they are rare: a series may have two dips, or one per twenty values.
--    A dip is a run of marks, or a value less than half of both neighbours. Zeros of a sparse
--    reward are more frequent.
-- 5. The only value of a series has no neighbours, so it is never suspect: ClearML's single values,
--    and curves of one point. A note names such marks (queries/notes/single_zeros.sql) if they are
--    at most a fifth of the values of this kind that the metric and variant have in all stored
--    tasks, and the others are on one side of the mark, no nearer than half their median distance,
--    and not all whole numbers.
--
-- Most series are excluded early, those without a mark before any window is computed, and
-- neighbours are looked up only for the points in question. deciding is the name of the value of a
-- series that an answer uses, max, min or last: series in which it is not a mark have no suspect
-- points that matter. NULL means that every point matters. Series of more than at_once points are
-- looked through for marks before the search, which takes one more pass but much less memory.
CREATE MACRO suspects(
    marks, metrics := NULL, task_ids := NULL, deciding := NULL, at_once := 500000
) AS TABLE
WITH crossing AS MATERIALIZED (
    SELECT task_id, metric, variant, mark, n, row_number() OVER () AS curve
    FROM picked.series
    CROSS JOIN (SELECT unnest(list_distinct(coalesce(marks, [0.0])))::DOUBLE AS mark) AS marked
    WHERE min <= mark
        AND max >= mark
        AND (metrics IS NULL OR list_contains(metrics, metric))
        AND (task_ids IS NULL OR task_id IN (SELECT unnest(task_ids)))
        AND coalesce(
            list_contains(
                coalesce(marks, [0.0]),
                CASE deciding WHEN 'max' THEN max WHEN 'min' THEN min WHEN 'last' THEN last END
            ),
            deciding IS NULL
        )
),
-- Series that contain a mark among values that are not all whole numbers: computed without a
-- window. Row groups are skipped by the join with the metrics, if these are few.
large AS (
    FROM crossing WHERE (SELECT sum(n) FROM crossing) > at_once
),
curves AS MATERIALIZED (
    FROM crossing WHERE (SELECT sum(n) FROM crossing) <= at_once
    UNION ALL
    FROM large
    SEMI JOIN (
        SELECT curve
        FROM (
            SELECT
                curve,
                value = mark AS is_mark,
                CASE
                    WHEN NOT coalesce(value = mark OR list_contains(marks, value), false)
                        THEN value - mark + mark
                END AS other
            FROM picked.scalars
            SEMI JOIN (SELECT DISTINCT metric FROM large) USING (metric)
            JOIN large USING (task_id, metric, variant)
            WHERE isfinite(value)
                AND iteration IS NOT NULL
                AND (metrics IS NULL OR metric BETWEEN list_min(metrics) AND list_max(metrics))
        )
        GROUP BY curve
        HAVING bool_or(is_mark) AND (count(other) < 5 OR NOT bool_and(other = round(other)))
    ) AS marked USING (curve)
),
-- A stretch is a value and the marks that follow it. Stretch 0 has the marks before the first
-- value.
finite AS MATERIALIZED (
    SELECT
        curve,
        mark,
        iteration,
        CASE WHEN value <> mark THEN value - mark END AS distance,
        count(distance) OVER in_order AS stretch,
        distance IS NOT NULL
            AND lead(curve) OVER in_order IS NOT NULL
            AND lead(distance) OVER in_order IS NULL AS is_marked,
        stretch = 1 AND row_number() OVER in_order > 1 AS is_after_marks
    FROM picked.scalars
    SEMI JOIN (SELECT DISTINCT metric FROM curves) USING (metric)
    JOIN curves USING (task_id, metric, variant)
    WHERE isfinite(value)
        AND iteration IS NOT NULL
        AND (value = mark OR NOT coalesce(list_contains(marks, value), false))
        AND (metrics IS NULL OR metric BETWEEN list_min(metrics) AND list_max(metrics))
    WINDOW in_order AS (PARTITION BY curve ORDER BY iteration)
),
-- Series whose runs of marks are rare, whatever their other dips; most of the others end here.
rare AS MATERIALIZED (
    SELECT curve
    FROM finite
    GROUP BY curve
    HAVING bool_or(is_marked)
        AND count(*) FILTER (distance IS NOT NULL AND (is_marked OR is_after_marks))
            <= least(count(distance) / 2, greatest(2, count(distance) / 20))
),
stepped AS (
    SELECT
        curve,
        stretch,
        is_marked,
        is_after_marks,
        distance + mark AS value,
        distance AS before,
        lag(before) OVER in_order AS before_1,
        lag(before, 2) OVER in_order AS before_2,
        lag(before, 3) OVER in_order AS before_3,
        lead(before) OVER in_order AS after,
        lead(before, 2) OVER in_order AS after_2,
        lead(before, 3) OVER in_order AS after_3,
        abs(before - before_1) AS step
    FROM finite
    SEMI JOIN rare USING (curve)
    WHERE distance IS NOT NULL
    WINDOW in_order AS (PARTITION BY curve ORDER BY iteration)
),
whole AS (
    SELECT
        curve,
        median(abs(before)) AS usual,
        min(nullif(step, 0)) AS smallest_step,
        quantile_cont(step, 0.8) AS large_step,
        count(*) AS n_values,
        count(*) FILTER (is_after_marks) + count(*) FILTER (
            is_marked
            OR abs(before) < least(abs(before_1), abs(after)) / 2
            AND before_1 IS NOT NULL
            AND after IS NOT NULL
        ) AS dives,
        bool_and(value = round(value)) AS is_whole,
        count(*) FILTER (before IN (before_1, before_2)) AS n_repeats
    FROM stepped
    GROUP BY curve
    HAVING bool_or(is_marked)
        AND dives <= least(n_values / 2, greatest(2, n_values / 20))
        AND (n_values < 5 OR large_step > 0 AND NOT is_whole)
),
grids AS (
    SELECT
        curve,
        bool_and(abs(before / smallest_step - round(before / smallest_step)) < 1e-6) AS on_a_grid
    FROM stepped
    JOIN whole USING (curve)
    GROUP BY curve
),
candidates AS (
    SELECT
        curve,
        stretch,
        before,
        after,
        least(abs(before), abs(after)) AS nearest,
        greatest(step, abs(before_1 - before_2)) AS step_before,
        greatest(abs(after_2 - after), abs(after_3 - after_2)) AS step_after
    FROM stepped
    SEMI JOIN whole USING (curve)
    WHERE is_marked AND coalesce(sign(before) = sign(after), true)
),
neighbours AS (
    SELECT
        curve,
        stretch AS neighbour,
        abs(before) AS distance,
        step,
        before - 2 * before_1 + before_2 AS bend,
        before_1 - 2 * before_2 + before_3 AS bend_1,
        CASE
            WHEN sign(bend) = sign(bend_1) THEN 0
            WHEN bend_1 IS NOT NULL THEN least(abs(bend), abs(bend_1))
        END AS jitter,
        greatest(distance, abs(before_1), abs(before_2), abs(before_3)) AS height
    FROM stepped
),
surrounded AS (
    SELECT
        curve,
        stretch,
        median(distance) FILTER (place BETWEEN -9 AND 0) AS usual_before,
        median(step) FILTER (place BETWEEN -9 AND 0) AS usual_step,
        min(distance) FILTER (place <= 0) AS lowest_before,
        CASE
            WHEN count(bend) FILTER (place >= -9) >= 4
                THEN median(abs(bend)) FILTER (place >= -9)
        END AS usual_bend,
        least(
            quantile_cont(jitter, 0.65) FILTER (place <= 0),
            greatest(
                median(jitter) FILTER (place BETWEEN -3 AND 0),
                2 * abs(before) * quantile_cont(jitter / height, 0.8) FILTER (place <= 0)
            )
        ) AS noise
    FROM (
        SELECT curve, stretch, before, unnest(range(-29, 11)) AS place, stretch + place AS neighbour
        FROM candidates
    ) AS wanted
    JOIN neighbours USING (curve, neighbour)
    GROUP BY curve, stretch, before
)
SELECT
    task_id,
    metric,
    variant,
    iteration,
    before + mark AS before,
    after + mark AS after
FROM candidates
JOIN whole USING (curve)
JOIN grids USING (curve)
JOIN surrounded USING (curve, stretch)
JOIN curves USING (curve)
JOIN (
    SELECT curve, stretch, iteration FROM finite WHERE distance IS NULL
) AS points USING (curve, stretch)
WHERE nearest >= greatest(
        usual / 1e6,
        1.4 * usual_bend,
        CASE
            WHEN n_values >= 5 AND (on_a_grid OR n_repeats >= greatest(3, n_values / 10))
                THEN smallest_step * CASE WHEN usual_bend >= smallest_step / 2 THEN 100 ELSE 10 END
        END,
        CASE
            WHEN noise > 0 AND (nearest < usual / 3 OR lowest_before < 0.75 * noise)
                THEN 3 * noise + usual_step
        END
    )
    AND (
        nearest >= usual_before / 2
        OR (
            coalesce(abs(after) >= 2.5 * step_after, true)
            AND (
                abs(before) >= 2.5 * step_before
                OR nearest >= abs(before) / 4 AND nearest >= abs(after) / 4
            )
        )
    );

CREATE VIEW suspect_zeros AS FROM suspects([0.0]);

-- Whether a series is one of those in two parallel lists of metrics and variants.
CREATE MACRO is_listed(metric_name, variant_name, metrics, variants) AS
    (metric_name, variant_name) IN (SELECT (unnest(metrics), unnest(variants)));

-- Whether a query is about a series: it is listed or, without a list, every metric but :monitor:.
CREATE MACRO is_chosen(metric_name, variant_name, metrics, variants, all_metrics) AS CASE
    WHEN metrics IS NULL
        THEN coalesce(all_metrics, false) OR NOT starts_with(metric_name, ':monitor:')
    ELSE is_listed(metric_name, variant_name, metrics, variants)
END;

-- How much of a part a series takes, if a question is answered in parts: its points or, if a query
-- reads the table series, points_each, and its points if it must be searched for suspect zeros.
-- deciding is the value that such an answer uses (NULL: any of them), marks are the values that NaN
-- was logged as.
CREATE MACRO size_in_part(points_each, deciding, marks, n_points, highest, lowest, latest) AS CASE
    WHEN points_each IS NULL OR (deciding IS NULL AND len(marks) > 0)
        THEN n_points + coalesce(points_each, 0)
    WHEN list_contains(
        marks, CASE deciding WHEN 'max' THEN highest WHEN 'min' THEN lowest ELSE latest END
    )
        THEN points_each + n_points
    ELSE points_each
END;

-- The best tasks of every metric and variant, in any order; those who order them need rank_0 too.
--
-- candidates is the name of a table of the series to compare, with value, iteration and timestamp
-- of each, and rank_1 and rank_2, of which the smallest win. A query defines it before it calls
-- this macro.
CREATE MACRO ranked_tasks(candidates, how, n_top) AS TABLE
SELECT
    metric,
    variant,
    winners.value,
    winners.iteration,
    winners.timestamp,
    tasks.name AS task,
    task_id,
    tasks.project,
    tasks.status,
    tasks.web_url,
    tasks.archived,
    n_tasks,
    n_points,
    all_nonfinite AS n_nonfinite,
    all_null AS n_null,
    CASE WHEN how = 'project' THEN tasks.project END AS rank_0,
    rank_1,
    rank_2
FROM (
    SELECT
        *,
        count(*) OVER everything AS n_tasks,
        (sum(n) OVER everything)::BIGINT AS n_points,
        (sum(n_nonfinite) OVER everything)::BIGINT AS all_nonfinite,
        (sum(n_null) OVER everything)::BIGINT AS all_null,
        row_number() OVER (
            PARTITION BY metric, variant, part
            ORDER BY value IS NULL, rank_1 NULLS LAST, rank_2 NULLS LAST, task_id
        ) AS place
    FROM (
        SELECT *, CASE how WHEN 'task' THEN task_id WHEN 'project' THEN project_id END AS part
        FROM query_table(candidates)
    )
    WINDOW everything AS (PARTITION BY metric, variant, part)
    QUALIFY place = 1 OR (place <= n_top AND value IS NOT NULL)
) AS winners
LEFT JOIN tasks USING (task_id);

-- The best tasks of every metric and variant, without other metrics. DuckDB plans it in half the
-- time of best_tasks.
CREATE MACRO best_tasks_alone(candidates, how, n_top) AS TABLE
SELECT * EXCLUDE (rank_0, rank_1, rank_2)
FROM ranked_tasks(candidates, how, n_top)
ORDER BY
    metric,
    variant,
    rank_0 NULLS LAST,
    value IS NULL,
    rank_1 NULLS LAST,
    rank_2 NULLS LAST,
    task_id;

-- The best tasks of every metric and variant, with other metrics at the iteration of each.
--
-- points is the name of a table with the points of the other metrics, those in at.
CREATE MACRO best_tasks(candidates, points, how, n_top, at_metrics, at_variants) AS TABLE
WITH winners AS (
    FROM ranked_tasks(candidates, how, n_top)
),
at_series AS (
    SELECT task_id, metric AS at_metric, variant AS at_variant
    FROM series
    WHERE at_metrics IS NOT NULL AND is_listed(metric, variant, at_metrics, at_variants)
),
at_points AS (
    SELECT
        winners.metric,
        winners.variant,
        winners.task_id,
        others.metric AS at_metric,
        others.variant AS at_variant,
        coalesce(arg_max(others.value, others.iteration), any_value(others.value)) AS at_value,
        max(others.iteration) AS at_iteration
    FROM winners
    JOIN query_table(points) AS others
        ON others.task_id = winners.task_id
        AND coalesce(
            others.iteration <= winners.iteration,
            others.iteration IS NULL AND winners.iteration IS NULL
        )
    WHERE at_metrics IS NOT NULL
        AND list_contains(at_metrics, others.metric)
        AND is_listed(others.metric, others.variant, at_metrics, at_variants)
        AND others.value IS NOT NULL
        AND winners.value IS NOT NULL
    GROUP BY ALL
)
SELECT
    metric,
    variant,
    value,
    iteration,
    timestamp,
    at_metric,
    at_variant,
    at_value,
    at_iteration,
    winners.* EXCLUDE (
        metric, variant, value, iteration, timestamp, rank_0, rank_1, rank_2
    )
FROM winners
LEFT JOIN at_series USING (task_id)
LEFT JOIN at_points USING (metric, variant, task_id, at_metric, at_variant)
ORDER BY
    metric,
    variant,
    rank_0 NULLS LAST,
    value IS NULL,
    rank_1 NULLS LAST,
    rank_2 NULLS LAST,
    task_id,
    at_metric,
    at_variant;

-- How each point of a curve differs from its neighbours: steps of iterations, jumps of values,
-- peaks (up and down again, or down and up: the smaller of both jumps), times that decrease. points
-- is the name of a table with curve (a number), iteration, timestamp and value, defined by the
-- query.
CREATE MACRO steps(points) AS TABLE
SELECT
    curve,
    iteration,
    value,
    iteration::HUGEINT - lag(iteration) OVER in_order AS step,
    lag(value) OVER in_order AS previous,
    lead(value) OVER in_order AS next,
    abs(value - previous) AS jump,
    least(jump, abs(value - next)) AS smaller_jump,
    CASE
        WHEN sign(value - previous) = sign(value - next)
            AND isfinite(previous)
            AND isfinite(next)
            AND isfinite(smaller_jump)
            THEN smaller_jump
    END AS peak,
    timestamp < lag(timestamp) OVER in_order AS backwards
FROM query_table(points)
WINDOW in_order AS (PARTITION BY curve ORDER BY iteration);

-- The mean and the sample standard deviation of numbers in a list: the same bits whatever their
-- order, and those of mean and std in the table series. Threads deliver values in any order, and
-- sums of doubles depend on it. So integers of 128 bits are added, as
-- exporter/store/parts/series.sql describes. NULL for an empty list, and for the deviation of a
-- single number.
--
-- Each lambda with a list of one element gives names to what the next one needs, because DuckDB
-- would compute it again for every number.
CREATE MACRO sum_of_integers(numbers) AS list_sum(
    list_transform(numbers, lambda one: one::HUGEINT)
)::DOUBLE;
CREATE MACRO repeatable_mean(numbers) AS list_transform(
    [{'low': list_min(numbers), 'high': list_max(numbers)}],
    lambda ends: CASE
        WHEN ends.low = ends.high THEN ends.low + 0.0
        WHEN NOT isfinite(ends.low) OR NOT isfinite(ends.high) THEN list_avg(numbers)
        ELSE list_transform(
            [80 - floor(log2(greatest(ends.high, -ends.low)))::BIGINT],
            lambda places: list_transform(
                [{'one': pow(2.0, places // 2), 'two': pow(2.0, places - places // 2)}],
                lambda scale: sum_of_integers(
                    list_transform(numbers, lambda number: number * scale.one * scale.two)
                ) / len(numbers) / scale.one / scale.two
            )[1]
        )[1]
    END
)[1];
CREATE MACRO deviation_of_shares(shares) AS list_transform(
    [{
        'n': len(shares),
        'total': sum_of_integers(list_transform(shares, lambda share: share * pow(2.0, 80)))
        / pow(2.0, 80),
        'squares': sum_of_integers(
            list_transform(shares, lambda share: share * share * pow(2.0, 80))
        ) / pow(2.0, 80)
    }],
    lambda sums: sqrt(
        greatest(sums.squares - sums.total * sums.total / sums.n, 0) / (sums.n - 1)
    )
)[1];
CREATE MACRO repeatable_std(numbers) AS list_transform(
    [{'low': list_min(numbers), 'high': list_max(numbers)}],
    lambda ends: CASE
        WHEN len(numbers) < 2 THEN NULL
        WHEN ends.low = ends.high THEN 0.0
        WHEN NOT isfinite(ends.low) OR NOT isfinite(ends.high) THEN list_stddev_samp(numbers)
        ELSE list_transform(
            [CASE WHEN isfinite(ends.high - ends.low) THEN 1.0 ELSE 0.25 END],
            lambda part: list_transform(
                [{
                    'low': ends.low * part,
                    'width': ends.high * part - ends.low * part
                }],
                lambda span: list_transform(
                    [list_transform(numbers, lambda number: (number * part - span.low) / span.width)],
                    lambda shares: span.width * deviation_of_shares(shares) / part
                )[1]
            )[1]
        )[1]
    END
)[1];

-- The settings of tasks, each number with one spelling in all of them: the shortest. params is the
-- name of a table with task_id, key and text, defined by the query.
CREATE MACRO spelled_settings(params) AS TABLE
WITH read_params AS (
    SELECT task_id, key, text, number_in(text) AS number FROM query_table(params)
),
spellings AS (
    SELECT key, number, first(text ORDER BY length(text), text) AS spelling
    FROM read_params
    WHERE number IS NOT NULL
    GROUP BY key, number
)
SELECT task_id, key, coalesce(spelling, text) AS setting
FROM read_params
LEFT JOIN spellings USING (key, number);

-- The groups that tasks are in, with the label of each name in by and of each hyperparameter in
-- differing. A task with several tags is in the group of each. All selected tasks decide how a number
-- is spelled, so that it is the same if a question is answered in parts.
CREATE MACRO grouped_tasks(by_names, differing) AS TABLE
WITH grouping_params AS (
    SELECT task_id, section || '/' || name AS key, arg_min(value, section) AS text
    FROM hyperparams
    WHERE list_contains(by_names, 'param:' || section || '/' || name)
        OR list_contains(differing, section || '/' || name)
    GROUP BY ALL
),
grouping_settings AS (
    SELECT task_id, map_from_entries(list((key, setting) ORDER BY key)) AS settings
    FROM spelled_settings('grouping_params')
    GROUP BY task_id
),
about AS (
    SELECT
        tasks.*,
        unnest(
            CASE
                WHEN list_contains(by_names, 'tag') AND len(tags) > 0 THEN list_distinct(tags)
                ELSE [NULL]
            END
        ) AS tag,
        settings
    FROM tasks
    LEFT JOIN grouping_settings USING (task_id)
)
SELECT
    task_id,
    list_transform(
        coalesce(by_names, []),
        lambda one: CASE one
            WHEN 'project' THEN coalesce(project, project_id)
            WHEN 'user' THEN coalesce("user", user_id)
            WHEN 'tag' THEN tag
            WHEN 'week' THEN strftime(date_trunc('week', created::TIMESTAMP), '%Y-%m-%d')
            WHEN 'status' THEN status
            WHEN 'type' THEN type
            ELSE settings[one[7:]]
        END
    )
    || list_transform(
        coalesce(differing, []),
        lambda one: CASE
            WHEN list_contains(map_keys(settings), one) THEN coalesce(settings[one], 'NULL')
        END
    ) AS labels
FROM about;

-- The order of labels: numbers as numbers.
CREATE MACRO by_label(labels) AS list_transform(
    labels,
    lambda one: {'number': nearest_number(one), 'text': one}
);

-- The 97.5 % quantile of Student's t distribution, for intervals of 95 %: from a table for up to 30
-- degrees of freedom; beyond that by the expansion in 1/df of Abramowitz and Stegun, 26.7.5, whose
-- relative error there is below 2e-8.
CREATE MACRO t_975(df) AS CASE
    WHEN df <= 30 THEN ([
        12.7062047362, 4.30265272975, 3.18244630528, 2.7764451052, 2.57058183564,
        2.44691185114, 2.36462425159, 2.3060041352, 2.2621571628, 2.22813885199,
        2.20098516009, 2.17881282967, 2.16036865646, 2.14478668792, 2.13144954556,
        2.11990529922, 2.10981557783, 2.10092204024, 2.09302405441, 2.08596344727,
        2.07961384473, 2.0738730679, 2.06865761042, 2.06389856163, 2.05953855275,
        2.05552943864, 2.05183051648, 2.0484071418, 2.04522964213, 2.0422724563
    ]::DOUBLE[])[df]
    ELSE 1.959963984540054::DOUBLE
        + 2.372271230298562::DOUBLE / df
        + 2.8224986157396112::DOUBLE / (df * df)
        + 2.555849679507722::DOUBLE / (df * df * df)
        + 1.5895340533938225::DOUBLE / (df * df * df * df)
END;

-- The points, without the suspect ones if these are excluded. metrics, unless it is NULL, lists the
-- selected metrics, so that no others are examined. task_ids does the same for tasks.
CREATE MACRO points_as_asked(suspect_zeros, marks, metrics, task_ids := NULL) AS TABLE
SELECT scalars.*
FROM scalars
ANTI JOIN (
    FROM suspects(marks, metrics := metrics, task_ids := task_ids)
    WHERE suspect_zeros = 'exclude'
) AS suspect USING (task_id, metric, variant, iteration);

-- The series, with extremes, last values and means without suspect points if these are excluded;
-- the counts are those of all points. Only series with suspect points are computed again, and only
-- if the value that is used, the one that deciding names, may be suspect.
CREATE MACRO series_as_asked(suspect_zeros, marks, metrics, deciding := NULL) AS TABLE
WITH suspect AS (
    FROM suspects(marks, metrics := metrics, deciding := deciding)
    WHERE suspect_zeros = 'exclude'
),
again AS (
    SELECT
        task_id,
        metric,
        variant,
        true AS again,
        max(value) FILTER (isfinite(value)) AS max,
        first({'iteration': iteration, 'timestamp': timestamp} ORDER BY value DESC, iteration)
            FILTER (isfinite(value)) AS at_max,
        min(value) FILTER (isfinite(value)) AS min,
        first({'iteration': iteration, 'timestamp': timestamp} ORDER BY value, iteration)
            FILTER (isfinite(value)) AS at_min,
        first({'value': value, 'iteration': iteration, 'timestamp': timestamp}
            ORDER BY iteration DESC NULLS LAST) AS at_last,
        repeatable_mean(list(value) FILTER (isfinite(value))) AS mean
    FROM picked.scalars
    SEMI JOIN suspect USING (task_id, metric, variant)
    ANTI JOIN suspect USING (task_id, metric, variant, iteration)
    WHERE suspect_zeros = 'exclude' AND (metrics IS NULL OR list_contains(metrics, metric))
    GROUP BY task_id, metric, variant
)
SELECT
    series.* REPLACE (
        CASE WHEN again THEN again.max ELSE series.max END AS max,
        CASE WHEN again THEN at_max.iteration ELSE max_iteration END AS max_iteration,
        CASE WHEN again THEN at_max.timestamp ELSE max_timestamp END AS max_timestamp,
        CASE WHEN again THEN again.min ELSE series.min END AS min,
        CASE WHEN again THEN at_min.iteration ELSE min_iteration END AS min_iteration,
        CASE WHEN again THEN at_min.timestamp ELSE min_timestamp END AS min_timestamp,
        CASE WHEN again THEN at_last.value ELSE last END AS last,
        CASE WHEN again THEN at_last.iteration ELSE last_iteration END AS last_iteration,
        CASE WHEN again THEN at_last.timestamp ELSE last_timestamp END AS last_timestamp,
        CASE WHEN again THEN again.mean ELSE series.mean END AS mean
    )
FROM picked.series AS series
LEFT JOIN again USING (task_id, metric, variant);

-- A curve smoothed as TensorBoard draws it: ema(list(value ORDER BY iteration), 0.6). Non-finite
-- values and NULL are NULL in the answer and do not affect the others. The query curve computes the
-- same from points, without creating lists.
CREATE MACRO ema(curve, weight) AS CASE
    WHEN curve IS NOT NULL THEN list_reduce(
        list_prepend(
            {'sum': 0.0::DOUBLE, 'rest': 1.0::DOUBLE, 'value': NULL::DOUBLE, 'out': []::DOUBLE[]},
            list_transform(
                curve,
                lambda one: {
                    'sum': 0.0::DOUBLE,
                    'rest': 1.0::DOUBLE,
                    'value': one::DOUBLE,
                    'out': []::DOUBLE[]
                }
            )
        ),
        lambda so_far, next: CASE
            WHEN isfinite(next.value) THEN {
                'sum': so_far.sum * weight + (1 - weight) * next.value,
                'rest': so_far.rest * weight,
                'value': next.value,
                'out': list_append(
                    so_far.out,
                    (so_far.sum * weight + (1 - weight) * next.value)
                    / (1 - so_far.rest * weight)
                )
            }
            ELSE {
                'sum': so_far.sum,
                'rest': so_far.rest,
                'value': next.value,
                'out': list_append(so_far.out, NULL)
            }
        END
    ).out
END;

-- The finite value of a group at an iteration, or else at the latest earlier one with such a value.
CREATE MACRO at_or_before(value, iteration, wanted) AS
    arg_max(value, iteration) FILTER (isfinite(value) AND iteration <= wanted);

-- The finite value of a group at the iteration nearest to a given one; the earlier of two that are
-- equally near.
CREATE MACRO nearest(value, iteration, wanted) AS
    arg_min(
        value, {'distance': abs(iteration::HUGEINT - wanted::HUGEINT), 'iteration': iteration}
    ) FILTER (isfinite(value) AND iteration IS NOT NULL);

-- A number minus another one, both as the decimals that stand for them: 0.9 minus 0.6 is 0.3, and not
-- 0.30000000000000004. The decimals are the shortest that read as the same doubles, and they are
-- subtracted exactly; numbers of more than 10 digits before the point or 27 behind it are subtracted
-- as doubles.
CREATE MACRO decimal_difference(number, other) AS CASE
    WHEN TRY_CAST(number::VARCHAR AS DECIMAL(37, 27))::VARCHAR::DOUBLE = number
        AND TRY_CAST(other::VARCHAR AS DECIMAL(37, 27))::VARCHAR::DOUBLE = other
        THEN (
            TRY_CAST(number::VARCHAR AS DECIMAL(37, 27))
            - TRY_CAST(other::VARCHAR AS DECIMAL(37, 27))
        )::VARCHAR::DOUBLE
    ELSE number - other
END;

-- A number as text for reading, in four digits or, from 1,000 on, in whole numbers.
CREATE MACRO in_four_digits(number) AS CASE
    WHEN isnan(number::DOUBLE) THEN 'NaN'
    WHEN isinf(number::DOUBLE) THEN CASE WHEN number > 0 THEN 'Infinity' ELSE '-Infinity' END
    WHEN abs(number) BETWEEN 1000 AND 1e15 THEN format('{:.0f}', number::DOUBLE)
    ELSE format('{:.4g}', number::DOUBLE + 0.0)
END;

-- The value of the row that is distance rows earlier in its series; 0.0 before the first.
CREATE MACRO earlier(number, distance, curve, usual, place) AS coalesce(
    lag(number, distance) OVER (PARTITION BY curve, usual IS NULL ORDER BY place), 0.0
);

-- The weighted sum of a block and the 15 before it, always added in this order.
CREATE MACRO with_15_earlier(block, distance, weight, curve, usual, place) AS
    block
    + pow(weight, 1) * earlier(block, 1 * distance, curve, usual, place)
    + pow(weight, 2) * earlier(block, 2 * distance, curve, usual, place)
    + pow(weight, 3) * earlier(block, 3 * distance, curve, usual, place)
    + pow(weight, 4) * earlier(block, 4 * distance, curve, usual, place)
    + pow(weight, 5) * earlier(block, 5 * distance, curve, usual, place)
    + pow(weight, 6) * earlier(block, 6 * distance, curve, usual, place)
    + pow(weight, 7) * earlier(block, 7 * distance, curve, usual, place)
    + pow(weight, 8) * earlier(block, 8 * distance, curve, usual, place)
    + pow(weight, 9) * earlier(block, 9 * distance, curve, usual, place)
    + pow(weight, 10) * earlier(block, 10 * distance, curve, usual, place)
    + pow(weight, 11) * earlier(block, 11 * distance, curve, usual, place)
    + pow(weight, 12) * earlier(block, 12 * distance, curve, usual, place)
    + pow(weight, 13) * earlier(block, 13 * distance, curve, usual, place)
    + pow(weight, 14) * earlier(block, 14 * distance, curve, usual, place)
    + pow(weight, 15) * earlier(block, 15 * distance, curve, usual, place);

-- The sum of n blocks, at most 15, that end skipped rows earlier, always added in this order.
CREATE MACRO sum_of_blocks(block, distance, n, skipped, curve, usual, place) AS
    if(n > 0, earlier(block, skipped + 0 * distance, curve, usual, place), 0.0)
    + if(n > 1, earlier(block, skipped + 1 * distance, curve, usual, place), 0.0)
    + if(n > 2, earlier(block, skipped + 2 * distance, curve, usual, place), 0.0)
    + if(n > 3, earlier(block, skipped + 3 * distance, curve, usual, place), 0.0)
    + if(n > 4, earlier(block, skipped + 4 * distance, curve, usual, place), 0.0)
    + if(n > 5, earlier(block, skipped + 5 * distance, curve, usual, place), 0.0)
    + if(n > 6, earlier(block, skipped + 6 * distance, curve, usual, place), 0.0)
    + if(n > 7, earlier(block, skipped + 7 * distance, curve, usual, place), 0.0)
    + if(n > 8, earlier(block, skipped + 8 * distance, curve, usual, place), 0.0)
    + if(n > 9, earlier(block, skipped + 9 * distance, curve, usual, place), 0.0)
    + if(n > 10, earlier(block, skipped + 10 * distance, curve, usual, place), 0.0)
    + if(n > 11, earlier(block, skipped + 11 * distance, curve, usual, place), 0.0)
    + if(n > 12, earlier(block, skipped + 12 * distance, curve, usual, place), 0.0)
    + if(n > 13, earlier(block, skipped + 13 * distance, curve, usual, place), 0.0)
    + if(n > 14, earlier(block, skipped + 14 * distance, curve, usual, place), 0.0);

-- Turns rows whose block is the sum of distance values into rows with blocks 16 times as long, and
-- adds the blocks that belong to the window to total. Weights below 1e-100 are treated as 0.
CREATE MACRO longer_blocks(blocks, distance, smooth, window_size) AS TABLE
SELECT
    * REPLACE (
        CASE
            WHEN window_size >= distance
                THEN total + sum_of_blocks(
                    block,
                    distance,
                    window_size // distance % 16,
                    window_size % distance,
                    curve,
                    usual,
                    place
                )
            ELSE total
        END AS total,
        CASE
            WHEN smooth IS NULL AND window_size < 16 * distance THEN block
            WHEN smooth IS NULL THEN with_15_earlier(block, distance, 1.0, curve, usual, place)
            WHEN pow(smooth, distance) < 1e-100 THEN block
            ELSE with_15_earlier(block, distance, pow(smooth, distance), curve, usual, place)
        END AS block
    )
FROM query_table(blocks);

-- Whether a weight can be used for smoothing: an error if not. NULL does not smooth.
CREATE MACRO is_weight(smooth) AS CASE
    WHEN NOT (smooth >= 0 AND smooth < 1)
        THEN error('smooth ' || smooth || ': give a weight from 0 to less than 1')
    ELSE true
END;

-- Curves with their smoothed values. points is the name of a table with curve (a number),
-- iteration, timestamp, value and x, which orders the points of a curve.
--
-- Usual values are numbered separately from the others, from 0. A window over doubles would add
-- them in the order of a tree that depends on where DuckDB stores a series. Therefore blocks of 16,
-- 256, … values are added in an order that depends only on these numbers: block is the sum that
-- ends at a value, weighted by age for smooth; total is the part of the sum for window_size
-- computed so far. Only usual values have a smoothed value.
CREATE MACRO smoothed_points(points, smooth, window_size) AS TABLE
WITH ones AS (
    SELECT
        curve,
        iteration,
        timestamp,
        value,
        x,
        CASE WHEN isfinite(value) AND abs(value) < 1e200 THEN value END AS usual,
        row_number() OVER (PARTITION BY curve, usual IS NULL ORDER BY x, iteration) - 1 AS place,
        usual AS block,
        0.0::DOUBLE AS total
    FROM query_table(points)
),
blocks_16 AS (FROM longer_blocks('ones', 1, smooth, window_size)),
blocks_256 AS (FROM longer_blocks('blocks_16', 16, smooth, window_size)),
blocks_4096 AS (FROM longer_blocks('blocks_256', 256, smooth, window_size)),
blocks_65536 AS (FROM longer_blocks('blocks_4096', 4096, smooth, window_size)),
blocks_1048576 AS (FROM longer_blocks('blocks_65536', 65536, smooth, window_size)),
blocks_16777216 AS (FROM longer_blocks('blocks_1048576', 1048576, smooth, window_size))
SELECT
    curve,
    iteration,
    timestamp,
    value,
    x,
    CASE
        WHEN usual IS NULL THEN NULL
        WHEN window_size IS NOT NULL THEN total / least(window_size, place + 1)
        ELSE block * (1 - smooth) / (1 - pow(smooth, place + 1))
    END AS smooth_value
FROM blocks_16777216;

-- The same for curves that are not smoothed.
CREATE MACRO unsmoothed_points(points) AS TABLE
SELECT curve, iteration, timestamp, value, x, NULL::DOUBLE AS smooth_value
FROM query_table(points);

-- Points that stay where they are.
CREATE MACRO unmoved_points(points) AS TABLE
SELECT curve, iteration, timestamp, value, x, iteration AS moved
FROM query_table(points);

-- x is the value at the same iteration, or at the latest earlier one that has a value. A point
-- before all of them has no x and is left out, and so is one for which x would not be finite.
CREATE MACRO points_at_x(points, x_points) AS TABLE
SELECT curve, iteration, timestamp, value, partner.x AS x, iteration AS moved
FROM query_table(points) AS points
ASOF JOIN (SELECT curve, iteration, x FROM query_table(x_points)) AS partner USING (curve, iteration)
WHERE isfinite(partner.x);

-- The points of each curve in the order of their wall time, with a number for each stretch without a
-- break. The usual step is the median of those forward. A step is a break if it leads back by more
-- than two usual ones, so that points that were only logged in another order are none; or forward by
-- more than ten times the usual step, the one before and the one after, so that steps that become
-- longer are none. Points without a time belong to the first stretch.
CREATE MACRO stretches(points) AS TABLE
WITH steps AS (
    SELECT
        *,
        iteration::HUGEINT - lag(iteration) OVER in_time AS step,
        lag(iteration) OVER in_time::HUGEINT - lag(iteration, 2) OVER in_time AS step_before,
        lead(iteration) OVER in_time::HUGEINT - iteration AS step_after,
        lag(timestamp) OVER in_time IS NOT NULL AS has_time
    FROM query_table(points)
    WINDOW in_time AS (PARTITION BY curve ORDER BY timestamp NULLS FIRST, iteration)
),
usual_steps AS (
    SELECT curve, coalesce(quantile_disc(step, 0.5) FILTER (step > 0), 1) AS usual
    FROM steps
    GROUP BY curve
)
SELECT
    steps.* EXCLUDE (step_before, step_after, has_time),
    usual,
    coalesce(
        has_time
        AND (step < -2 * usual OR step > 10 * greatest(usual, step_before, step_after)),
        false
    ) AS is_break,
    sum(is_break::BIGINT) OVER (
        PARTITION BY curve
        ORDER BY timestamp NULLS FIRST, iteration
        ROWS UNBOUNDED PRECEDING
    ) AS stretch
FROM steps
JOIN usual_steps USING (curve);

-- Each stretch is moved so that it begins one usual step after the end of the one before.
CREATE MACRO joined_points(points) AS TABLE
WITH placed AS MATERIALIZED (FROM stretches(points)),
ends AS (
    SELECT
        curve,
        stretch,
        min(iteration)::HUGEINT AS first,
        max(iteration)::HUGEINT - first + any_value(usual) AS length
    FROM placed
    GROUP BY curve, stretch
),
moves AS (
    SELECT
        curve,
        stretch,
        first_value(first) OVER in_order + sum(length) OVER in_order - length - first AS distance
    FROM ends
    WINDOW in_order AS (PARTITION BY curve ORDER BY stretch ROWS UNBOUNDED PRECEDING)
)
SELECT
    curve,
    iteration,
    timestamp,
    value,
    coalesce(
        TRY_CAST(iteration + distance AS BIGINT),
        error('the iterations are too far apart to be joined; omit offset_resumed')
    ) AS moved,
    (iteration + distance)::DOUBLE AS x
FROM placed
JOIN moves USING (curve, stretch);

-- Points with their place on the horizontal axis: the value of another series of their task, or the
-- iteration without the breaks of resumed tasks, or the x that they have. points is the name of a
-- table with curve (a number), iteration, timestamp, value and x; x_points one with curve, iteration
-- and x. moved is the iteration without these breaks.
CREATE MACRO placed_points(points, x_points, x_metric, offset_resumed) AS TABLE
FROM unmoved_points(points)
WHERE x_metric IS NULL AND offset_resumed IS DISTINCT FROM true
UNION ALL BY NAME
FROM points_at_x(points, x_points)
WHERE x_metric IS NOT NULL
UNION ALL BY NAME
FROM joined_points(points)
WHERE offset_resumed;

-- The value of a series that counts if nothing else is chosen.
CREATE MACRO usual_value(best) AS CASE best WHEN 'highest' THEN 'max' ELSE 'min' END;

-- What counts, in words.
CREATE MACRO counted_as(what, smooth, n_last) AS concat(
    what,
    CASE WHEN n_last IS NOT NULL THEN ' of the last ' || n_last END,
    CASE WHEN smooth IS NOT NULL THEN ', smoothed ' || smooth END
);

-- The series, numbered, for which the table series does not have the value that counts. listed is
-- the name of a table of series, defined by the query. If rereads_last, the last finite value counts
-- as the last one; otherwise that at the last iteration does, finite or not, unless smooth or n_last
-- is given.
CREATE MACRO series_to_read(listed, rereads_last, what, smooth, n_last) AS TABLE
SELECT task_id, metric, variant, row_number() OVER () AS curve
FROM query_table(listed)
WHERE is_weight(smooth)
    AND CASE
        WHEN n_last < 1 THEN error('last ' || n_last || ': give a number of at least 1')
        ELSE true
    END
    AND n > n_nonfinite + n_null
    AND (
        smooth IS NOT NULL
        OR n_last IS NOT NULL
        OR what = 'median'
        OR (what = 'last' AND rereads_last AND coalesce(NOT isfinite(last), true))
    );

-- The maximum, minimum, mean, median or last value of each curve, or of its last n_last points.
-- points is the name of a table with curve, iteration, timestamp and value, which is finite.
CREATE MACRO summarised_points(points, what, n_last) AS TABLE
SELECT
    curve,
    CASE what
        WHEN 'max' THEN extreme.value
        WHEN 'min' THEN extreme.value
        WHEN 'last' THEN latest.value
        WHEN 'mean' THEN mean
        ELSE if(isfinite(lower + upper), (lower + upper) / 2, lower / 2 + upper / 2)
    END AS counted,
    CASE WHEN what = 'last' THEN latest.iteration ELSE extreme.iteration END AS counted_iteration,
    CASE WHEN what = 'last' THEN latest.timestamp ELSE extreme.timestamp END AS counted_timestamp
FROM (
    SELECT
        curve,
        min({
            'rank': CASE what WHEN 'max' THEN -value ELSE value END,
            'iteration': iteration,
            'timestamp': timestamp,
            'value': value
        }) FILTER (what IN ('max', 'min')) AS extreme,
        coalesce(
            arg_max(
                {'value': value, 'iteration': iteration, 'timestamp': timestamp}, iteration
            ) FILTER (what = 'last'),
            any_value({'value': value, 'iteration': iteration, 'timestamp': timestamp})
                FILTER (what = 'last')
        ) AS latest,
        repeatable_mean(list(value) FILTER (what = 'mean')) AS mean,
        quantile_disc(value + 0.0, 0.5) FILTER (what = 'median') AS lower,
        0.0 - quantile_disc(0.0 - value, 0.5) FILTER (what = 'median') AS upper
    FROM (
        FROM query_table(points)
        QUALIFY n_last IS NULL
            OR n_last >= row_number() OVER (
                PARTITION BY curve ORDER BY iteration DESC NULLS LAST
            )
    )
    GROUP BY curve
);

-- The value that counts of the series to read. points is the name of a table of points, defined by
-- the query. Single values have no iteration and are not smoothed.
CREATE MACRO counted_from_points(listed, points, rereads_last, what, smooth, n_last) AS TABLE
WITH curves AS MATERIALIZED (
    FROM series_to_read(listed, rereads_last, what, smooth, n_last)
),
finite AS (
    SELECT curve, iteration, timestamp, value, iteration::DOUBLE AS x
    FROM query_table(points)
    JOIN curves USING (task_id, metric, variant)
    WHERE isfinite(value) AND (smooth IS NULL OR iteration IS NOT NULL)
),
compared AS (
    SELECT curve, iteration, timestamp, smooth_value AS value
    FROM smoothed_points('finite', smooth, NULL)
    WHERE smooth IS NOT NULL AND smooth_value IS NOT NULL
    UNION ALL
    SELECT curve, iteration, timestamp, value
    FROM finite
    WHERE smooth IS NULL
)
SELECT * EXCLUDE (curve), true AS is_from_points
FROM curves
LEFT JOIN summarised_points('compared', what, n_last) USING (curve);

-- The same without smoothing, which DuckDB plans faster.
CREATE MACRO counted_from_plain_points(listed, points, rereads_last, what, smooth, n_last) AS TABLE
WITH curves AS MATERIALIZED (
    FROM series_to_read(listed, rereads_last, what, NULL, n_last)
),
compared AS (
    SELECT curve, iteration, timestamp, value
    FROM query_table(points)
    JOIN curves USING (task_id, metric, variant)
    WHERE isfinite(value)
)
SELECT * EXCLUDE (curve), true AS is_from_points
FROM curves
LEFT JOIN summarised_points('compared', what, n_last) USING (curve);

-- The series with the value that counts, as far as the table series has it.
CREATE MACRO stored_series(listed, what) AS TABLE
SELECT
    series.*,
    CASE
        WHEN what = 'max' THEN max
        WHEN what = 'min' THEN min
        WHEN what = 'mean' THEN mean
        WHEN isfinite(last) THEN last
    END AS value,
    CASE
        WHEN what = 'max' THEN max_iteration
        WHEN what = 'min' THEN min_iteration
        WHEN what = 'last' AND isfinite(last) THEN last_iteration
    END AS iteration,
    CASE
        WHEN what = 'max' THEN max_timestamp
        WHEN what = 'min' THEN min_timestamp
        WHEN what = 'last' AND isfinite(last) THEN last_timestamp
    END AS timestamp
FROM query_table(listed) AS series;

-- The same, with the columns of counted_from_points for those that are in the table again.
CREATE MACRO counted_series(listed, again, what) AS TABLE
SELECT
    series.* REPLACE (
        CASE WHEN is_from_points THEN counted ELSE value END AS value,
        CASE WHEN is_from_points THEN counted_iteration ELSE iteration END AS iteration,
        CASE WHEN is_from_points THEN counted_timestamp ELSE timestamp END AS timestamp
    )
FROM stored_series(listed, what) AS series
LEFT JOIN query_table(again) AS again USING (task_id, metric, variant);
