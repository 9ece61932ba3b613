"""The selection: as typed, and resolved against the names that exist. Pure.

Comes in: names, patterns, dates and the lists of a server or a dataset. Goes out: a task filter and
a metric filter with ids, or an error that names near matches. No input, no output, no clock.
"""
