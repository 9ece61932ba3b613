"""Summarises a dataset: its tasks by state, its age, its problems, the server's own summary.

Comes in: a dataset. Goes out: frozen objects for ``status`` and ``verify --server-summary``.
The server is not contacted.
"""
