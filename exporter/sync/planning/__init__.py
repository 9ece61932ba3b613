"""Decides which tasks an export reads.

Comes in: the selections, the server's list of tasks, and what the dataset holds. Goes out: a
``Plan``: tasks to read and why, tasks that are unchanged, tasks that the server no longer has.
Points are neither read nor written here.
"""
