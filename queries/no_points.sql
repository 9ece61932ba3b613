-- Replaces the points of a pack that are not unpacked yet: reading it is an error, and
-- nobody takes it for a table without rows.
SELECT
    NULL::VARCHAR AS task_id,
    NULL::VARCHAR AS metric,
    NULL::VARCHAR AS variant,
    NULL::BIGINT AS iteration,
    NULL::TIMESTAMPTZ AS timestamp,
    NULL::DOUBLE AS value,
    NULL::VARCHAR AS worker,
    NULL::VARCHAR AS project_id
WHERE error('the points of this pack are still packed; name the view scalars in the statement')
