-- The remembered selections, passed as columns.
SELECT
    unnest($number::BIGINT[]) AS number,
    unnest($selection::VARCHAR[]) AS selection,
    unnest($matched::BIGINT[]) AS matched,
    unnest($metrics::VARCHAR[]) AS metrics;
