"""Everything that is written to stdout and stderr; nothing else writes to them.

Comes in: relations, rows, notes and progress. Goes out: bytes in one of the formats (CSV, TSV,
JSON, JSON lines, Markdown, LaTeX, table, text, Parquet, Arrow, DuckDB), the same to a file and to a
pipe; lines and progress bars for people on stderr. On a terminal, control characters are escaped;
the credentials of this process are always removed.
"""
