"""Compares two copies: of points, series, runs of a task, or servers.

Comes in: stored and fetched points or their outlines. Goes out: whether they agree, what only one
of them has, and whether they are of one run.
"""
