-- The number of series of an answer that may have suspect zeros among the values it uses.
--
-- field is the name of the value of a series that the answer uses; NULL means any of its points.
SELECT count(*) AS n_series, coalesce(sum(n), 0)::BIGINT AS n_points
FROM series
WHERE is_chosen(metric, variant, $metric::VARCHAR[], $variant::VARCHAR[], $all_metrics::BOOLEAN)
    AND ($task_ids::VARCHAR[] IS NULL OR list_contains($task_ids, task_id))
    AND list_bool_or(
        list_transform(
            $marks::DOUBLE[],
            lambda mark: CASE $field::VARCHAR
                WHEN 'max' THEN max = mark
                WHEN 'min' THEN min = mark
                WHEN 'last' THEN last = mark
                ELSE min <= mark AND max >= mark
            END
        )
    );
