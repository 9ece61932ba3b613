"""The DuckDB for internal lookups, separate from users' queries.

Comes in: SQL and lists of files. Goes out: rows, with file names taken literally and errors in one
line. Memory and threads are small and fixed.
"""
