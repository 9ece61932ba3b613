"""Reads every scalar point of one task, or reports exactly what is missing.

Comes in: a task id and the selected metrics. Goes out: Arrow batches of distinct points for a sink,
and a ``ScalarsRead`` that compares them with the server's counts. Pages of another task, another
type or another run are refused.
"""
