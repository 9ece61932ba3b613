"""Several datasets of one server become one.

Comes in: folders or packs, and an empty target. Goes out: a new dataset with one row per task, and
a report of which source each task came from. ``rules`` decides, and is pure; the rest reads and
writes. No server is contacted.
"""
