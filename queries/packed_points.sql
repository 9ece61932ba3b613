-- The columns of the points of a pack, used to create the views; its rows are never read.
SELECT
    NULL::VARCHAR AS task_id,
    NULL::VARCHAR AS metric,
    NULL::VARCHAR AS variant,
    NULL::BIGINT AS iteration,
    NULL::TIMESTAMPTZ AS timestamp,
    NULL::DOUBLE AS value,
    NULL::VARCHAR AS worker,
    NULL::VARCHAR AS project_id
