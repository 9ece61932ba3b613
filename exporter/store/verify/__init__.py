"""Checks offline that a snapshot is complete and unchanged.

Comes in: a dataset, a snapshot or a pack. Goes out: a list of problems, empty for an intact
snapshot: checksums, the rows against each other, and the texts against the tables. Nothing is
repaired.
"""
