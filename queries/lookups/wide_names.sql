-- The names that the columns of the query wide are made from: what any of the selected tasks has.
--
-- A hyperparameter has a type if all of its values are numbers that this type holds without a loss: at
-- most 15 digits, and no leading zeros, as in 007.
SELECT DISTINCT 'metric' AS kind, metric AS first, variant AS second, NULL::VARCHAR AS number_type
FROM picked.series
UNION ALL
SELECT
    'param',
    section,
    name,
    CASE
        WHEN bool_and(
            coalesce(
                regexp_full_match(
                    value, '[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,3})?'
                )
                AND NOT regexp_matches(value, '^[+-]?0[0-9]')
                AND length(regexp_replace(value, '[eE].*|[^0-9]', '', 'g')) <= 15
                AND abs(try_cast(value AS DOUBLE)) < 'infinity'
                AND (try_cast(value AS DOUBLE) <> 0 OR NOT regexp_matches(value, '^[^eE]*[1-9]')),
                value IS NULL
            )
        ) IS DISTINCT FROM true OR count(value) = 0 THEN NULL
        WHEN bool_and(regexp_full_match(value, '[+-]?[0-9]+')) THEN 'BIGINT'
        ELSE 'DOUBLE'
    END
FROM picked.hyperparams
GROUP BY section, name
ORDER BY kind DESC, first, second
