-- The points of series that are stored under several names.
SELECT *
FROM files.scalars
SEMI JOIN files.several USING (task_id, metric, variant)
