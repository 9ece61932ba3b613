-- The views and macros that every DuckDB on a snapshot has: in this program, in open.sql and in
-- DuckDB's own shell. The schema "picked" has the snapshot's tables, here limited to the selected
-- tasks; in the other two it is called "stored".
--
-- Task columns come from a grouped subquery: only in this form does DuckDB know that the join
-- neither adds nor removes rows, and skips it when none of its columns is used.
CREATE VIEW tasks AS FROM picked.tasks;
CREATE VIEW series AS FROM picked.series;
CREATE VIEW exports AS FROM picked.exports;

-- The DOUBLE that is nearest to the number in a hyperparameter's text; NULL if the text is not a
-- number, or one that no finite DOUBLE is near. A number is what --where takes for one: up to 1,000
-- characters, with an exponent of at most four digits, and white space around it. The test of
-- value_number compares both.
CREATE MACRO nearest_number(text) AS list_transform(
    [regexp_extract(
        text,
        '^[\t-\r\x1C-\x1F\x{85}\pZ]*([+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,4})?)'
        '[\t-\r\x1C-\x1F\x{85}\pZ]*\z',
        1
    )],
    lambda number: CASE
        WHEN length(number) <= 1000 AND isfinite(try_cast(number AS DOUBLE))
            THEN try_cast(number AS DOUBLE) + 0.0
    END
)[1];

-- The number by which hyperparameters are compared for being equal. Digits that a DOUBLE cannot hold,
-- and numbers too small for one, would make different numbers equal: these stay texts, and are NULL.
CREATE MACRO number_in(text) AS CASE
    WHEN length(regexp_replace(text, '[eE].*|[^0-9]', '', 'g')) <= 15
        AND (
            abs(nearest_number(text)) >= 2.2250738585072014e-308
            OR NOT regexp_matches(text, '^[^eE]*[1-9]')
        )
        THEN nearest_number(text)
END;

CREATE VIEW hyperparams AS
SELECT task_id, section, name, value, nearest_number(value) AS value_number, type
FROM picked.hyperparams;

CREATE VIEW scalars AS
SELECT
    points.task_id,
    about.task,
    points.project_id,
    about.project,
    points.metric,
    points.variant,
    points.iteration,
    points.timestamp,
    points.value,
    points.worker,
    about.type,
    about.status,
    about.tags,
    about.archived,
    about.user
FROM picked.scalars AS points
LEFT JOIN (
    SELECT
        task_id,
        any_value(name) AS task,
        any_value(project) AS project,
        any_value(type) AS type,
        any_value(status) AS status,
        any_value(tags) AS tags,
        any_value(archived) AS archived,
        any_value("user") AS user
    FROM picked.tasks
    GROUP BY task_id
) AS about ON about.task_id = points.task_id;

-- Sections and names may contain slashes, so two parameters can have the same key. A MAP does not
-- allow that, hence the inner grouping.
CREATE VIEW params AS
SELECT task_id, map_from_entries(list((key, value) ORDER BY key)) AS params
FROM (
    SELECT task_id, section || '/' || name AS key, arg_min(value, section) AS value
    FROM picked.hyperparams
    GROUP BY ALL
)
GROUP BY task_id;

-- One row per metric and variant: its highest and its lowest value over all tasks, with the task that
-- has it; of equal values, the task with the lowest id.
CREATE VIEW best AS
SELECT
    extremes.metric,
    extremes.variant,
    extremes.n_tasks,
    extremes.top.value AS highest,
    extremes.top.iteration AS highest_iteration,
    winner.name AS highest_task,
    extremes.top.task_id AS highest_task_id,
    winner.project AS highest_project,
    extremes.bottom.value AS lowest,
    extremes.bottom.iteration AS lowest_iteration,
    other.name AS lowest_task,
    extremes.bottom.task_id AS lowest_task_id,
    other.project AS lowest_project
FROM (
    SELECT
        metric,
        variant,
        count(*) AS n_tasks,
        first(
            {'value': max, 'iteration': max_iteration, 'task_id': task_id}
            ORDER BY max DESC, task_id
        ) FILTER (max IS NOT NULL) AS top,
        first(
            {'value': min, 'iteration': min_iteration, 'task_id': task_id}
            ORDER BY min, task_id
        ) FILTER (min IS NOT NULL) AS bottom
    FROM picked.series
    GROUP BY metric, variant
) AS extremes
LEFT JOIN picked.tasks AS winner ON winner.task_id = extremes.top.task_id
LEFT JOIN picked.tasks AS other ON other.task_id = extremes.bottom.task_id;
