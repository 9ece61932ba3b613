-- The points, with the new names of their metrics and variants.
--
-- Two parts, so that a condition on the metric is one on the files in the first part and, in the
-- second, one on the short table of aliases, whose stored metrics are then looked for in the files.
SELECT points.*
FROM as_stored.scalars AS points
ANTI JOIN files.aliases AS renamed
    ON points.metric = renamed.stored_metric AND points.variant = renamed.stored_variant
UNION ALL
SELECT points.* REPLACE (renamed.metric AS metric, renamed.variant AS variant)
FROM as_stored.scalars AS points
JOIN files.aliases AS renamed
    ON points.metric = renamed.stored_metric AND points.variant = renamed.stored_variant
