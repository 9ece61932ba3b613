-- Whether a row group of the files of series has a series with NaN or infinities, by its footer.
SELECT 1
FROM parquet_metadata($1)
WHERE path_in_schema = 'n_nonfinite'
    AND coalesce(TRY_CAST(coalesce(stats_max_value, stats_max) AS BIGINT), 1) > 0
LIMIT 1;
