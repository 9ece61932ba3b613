"""The DuckDB that the program uses for its own questions, apart from users' queries.

Comes in: SQL and lists of files. Goes out: rows, with file names taken literally and errors in one
line. Memory and threads are small and fixed.
"""
