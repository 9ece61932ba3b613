-- Compares the table series with the series computed again from the points.
--
-- Sums depend on the order of their points, so mean and std may differ in their last digits: by
-- 1e-9 of themselves, or, where large values cancel out, by 1e-12 of the largest, or by less than
-- the precision of the smallest doubles.
WITH compared AS (
    SELECT
        coalesce(stored.task_id, computed.task_id) AS task_id,
        coalesce(stored.metric, computed.metric) AS metric,
        coalesce(stored.variant, computed.variant) AS variant,
        computed.n AS points,
        stored.task_id IS NULL AS is_missing,
        computed.task_id IS NULL AS is_empty,
        1e-12 * greatest(abs(computed.min), abs(computed.max)) + 1e-322 AS noise,
        list_filter(
            [
                CASE WHEN stored.project_id IS DISTINCT FROM computed.project_id
                    THEN 'project_id' END,
                CASE WHEN stored.n IS DISTINCT FROM computed.n THEN 'n' END,
                CASE WHEN stored.n_nonfinite IS DISTINCT FROM computed.n_nonfinite
                    THEN 'n_nonfinite' END,
                CASE WHEN stored.n_null IS DISTINCT FROM computed.n_null THEN 'n_null' END,
                CASE WHEN stored.min IS DISTINCT FROM computed.min THEN 'min' END,
                CASE WHEN stored.min_iteration IS DISTINCT FROM computed.min_iteration
                    THEN 'min_iteration' END,
                CASE WHEN stored.min_timestamp IS DISTINCT FROM computed.min_timestamp
                    THEN 'min_timestamp' END,
                CASE WHEN stored.max IS DISTINCT FROM computed.max THEN 'max' END,
                CASE WHEN stored.max_iteration IS DISTINCT FROM computed.max_iteration
                    THEN 'max_iteration' END,
                CASE WHEN stored.max_timestamp IS DISTINCT FROM computed.max_timestamp
                    THEN 'max_timestamp' END,
                CASE
                    WHEN
                        stored.mean IS DISTINCT FROM computed.mean
                        AND NOT coalesce(
                            abs(stored.mean - computed.mean)
                            <= 1e-9 * abs(computed.mean) + noise,
                            false
                        )
                        THEN 'mean'
                END,
                CASE
                    WHEN
                        stored.std IS DISTINCT FROM computed.std
                        AND NOT coalesce(
                            abs(stored.std - computed.std) <= 1e-9 * computed.std + noise, false
                        )
                        THEN 'std'
                END,
                CASE WHEN stored.first IS DISTINCT FROM computed.first THEN 'first' END,
                CASE WHEN stored.first_iteration IS DISTINCT FROM computed.first_iteration
                    THEN 'first_iteration' END,
                CASE WHEN stored.first_timestamp IS DISTINCT FROM computed.first_timestamp
                    THEN 'first_timestamp' END,
                CASE WHEN stored.last IS DISTINCT FROM computed.last THEN 'last' END,
                CASE WHEN stored.last_iteration IS DISTINCT FROM computed.last_iteration
                    THEN 'last_iteration' END,
                CASE WHEN stored.last_timestamp IS DISTINCT FROM computed.last_timestamp
                    THEN 'last_timestamp' END
            ],
            lambda name: name IS NOT NULL
        ) AS differing
    FROM series AS stored
    FULL JOIN computed
        ON
            stored.task_id = computed.task_id
            AND stored.metric = computed.metric
            AND stored.variant = computed.variant
)
SELECT
    CASE
        WHEN is_missing THEN 'points without a row in series'
        WHEN is_empty THEN 'series without points'
        ELSE 'series is not what its points give'
    END AS kind,
    concat(
        'task ', task_id, ', ', metric, '/', variant,
        CASE
            WHEN is_missing THEN concat(', ', points, ' points')
            WHEN is_empty THEN ''
            ELSE concat(' (', array_to_string(differing, ', '), ')')
        END
    ) AS problem
FROM compared
WHERE is_missing OR is_empty OR len(differing) > 0;
