"""Answers a query in parts, so that the memory does not grow with the number of points.

Comes in: a query whose header has ``:shard``, and its bound values. Goes out: the same answer, byte
for byte, one part after the other. The SQL of the query is not changed: a second connection has
only the series or tasks of a part. This never changes the views of the dataset's own connections,
and never splits a series.
"""
