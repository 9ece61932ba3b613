-- What a statement can name in the dataset: views, tables, schemas and databases, in lower case.
SELECT lower(name) AS name
FROM (
    SELECT view_name AS name FROM duckdb_views()
    UNION
    SELECT table_name FROM duckdb_tables()
    UNION
    SELECT schema_name FROM duckdb_schemas()
    UNION
    SELECT database_name FROM duckdb_databases()
)
ORDER BY name
