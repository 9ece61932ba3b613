-- The series, with the new names of their metrics and variants.
SELECT rows.*
FROM as_stored.series AS rows
ANTI JOIN files.aliases AS renamed
    ON rows.metric = renamed.stored_metric AND rows.variant = renamed.stored_variant
UNION ALL
SELECT rows.* REPLACE (renamed.metric AS metric, renamed.variant AS variant)
FROM as_stored.series AS rows
JOIN files.aliases AS renamed
    ON rows.metric = renamed.stored_metric AND rows.variant = renamed.stored_variant
