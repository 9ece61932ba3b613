-- The views of a snapshot in Spark SQL, over the views of its files in the names that begin with
-- stored_; the columns are those of views.sql of the store.
CREATE OR REPLACE TEMPORARY VIEW tasks AS SELECT * FROM stored_tasks;

CREATE OR REPLACE TEMPORARY VIEW series AS SELECT * FROM stored_series;

CREATE OR REPLACE TEMPORARY VIEW exports AS SELECT * FROM stored_exports;

CREATE OR REPLACE TEMPORARY VIEW hyperparams AS
SELECT
    task_id,
    section,
    name,
    value,
    CASE
        WHEN length(number) BETWEEN 1 AND 1000
            AND abs(try_cast(number AS DOUBLE)) < CAST('Infinity' AS DOUBLE)
            THEN try_cast(number AS DOUBLE) + 0.0D
    END AS value_number,
    type
FROM (
    SELECT
        *,
        regexp_extract(
            value,
            r'^[\t-\r\x1C-\x1F\x{85}\p{Z}]*([+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,4})?)[\t-\r\x1C-\x1F\x{85}\p{Z}]*\z',
            1
        ) AS number
    FROM stored_hyperparams
);

CREATE OR REPLACE TEMPORARY VIEW scalars AS
SELECT
    points.task_id,
    about.name AS task,
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
FROM stored_scalars AS points
LEFT JOIN stored_tasks AS about ON about.task_id = points.task_id;

CREATE OR REPLACE TEMPORARY VIEW params AS
SELECT
    task_id,
    map_from_entries(array_sort(collect_list(named_struct('key', key, 'value', value)))) AS params
FROM (
    SELECT
        task_id,
        concat(section, '/', name) AS key,
        min_by(value, section) FILTER (WHERE value IS NOT NULL) AS value
    FROM stored_hyperparams
    GROUP BY 1, 2
)
GROUP BY task_id;
