"""Answers queries on Apache Spark: each part of a query is answered by one of Spark's tasks.

Comes in: a query, its bound values and its parts, as ``shards`` plans them. Goes out: the same
answer, byte for byte. A worker opens the same snapshot with DuckDB and runs the unchanged SQL of
the query for its part; Spark only distributes the parts and collects the rows, as Arrow. This never
translates SQL of a query, and starts no Spark before a question was found to be valid.
"""
