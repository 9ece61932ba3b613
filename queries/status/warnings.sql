-- The warnings of the newest export that got as far as recording them.
SELECT unnest(warnings) AS warning
FROM (
    SELECT warnings
    FROM exports
    WHERE warnings IS NOT NULL
    ORDER BY started DESC, export_id
    LIMIT 1
);
