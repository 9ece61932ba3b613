-- Times written by clearml-snapshot that are later than the snapshot.
WITH times AS (
    UNPIVOT (SELECT task_id, COLUMNS('^(fetched_at|safe_to_delete_at)$') FROM tasks)
    ON COLUMNS(* EXCLUDE (task_id)) INTO NAME what VALUE moment
)
SELECT
    'time after its snapshot was made' AS kind,
    concat('task ', task_id, ', ', what, ' ', make_timestamp_ms(epoch_ms(moment)), ' UTC') AS problem
FROM times
WHERE epoch_ms(moment) > $latest::BIGINT;
