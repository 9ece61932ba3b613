"""Compares two copies of one thing: points, series, runs of a task, servers.

Comes in: stored and fetched points or their outlines. Goes out: whether they agree, what is in one
only, and whether they are of one run.
"""
