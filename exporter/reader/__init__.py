"""What a ClearML server holds, as records and Arrow columns.

Comes in: a ``client`` and what to read. Goes out: tasks, names, series, and in ``scalars`` every
point of a task. The limits and traps of the endpoints are handled here and nowhere else. Nothing
is written to disk.
"""
