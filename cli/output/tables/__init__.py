"""Draws answers as text: fitted to a terminal, or complete for a pipe.

Comes in: rows whose credentials are removed, the columns that are the answer, and the width of the
terminal. Goes out: lines. A column of the answer is never left out: if the lines become too long,
each row is printed upright. Nothing here reads a dataset or writes to a stream.
"""
