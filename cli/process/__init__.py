"""Processes: how a command is stopped, and how DuckDB's own shell is started.

Comes in: signals, and the limits that were typed. Goes out: an interrupted query, or the end of
the process within seconds, whatever DuckDB is doing. Nothing here decides what is computed.
"""
