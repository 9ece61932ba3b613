"""Answers one question in parts, so that the memory does not grow with the points.

In comes a query whose header has ``:shard``, with its bound values; out goes the same answer, byte
for byte, one part after the other. The SQL of the query is not changed: a second connection sees
only the series of a part. Never changes what the dataset's own connections see, and never splits a
series.
"""
