"""Compares two snapshots: tasks, points and the best values of metrics.

Comes in: two opened snapshots. Goes out: relations of what is new, changed and gone.
"""
