-- The remembered selections, handed in as columns.
SELECT
    unnest($number::BIGINT[]) AS number,
    unnest($selection::VARCHAR[]) AS selection,
    unnest($matched::BIGINT[]) AS matched,
    unnest($metrics::VARCHAR[]) AS metrics;
