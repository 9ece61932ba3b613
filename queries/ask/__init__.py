"""Turns a query file and its arguments into SQL, bound values and columns.

Comes in: the name of a query or a user's query file, and the arguments. Goes out: one SELECT, its
values, and the columns of its answer. A user's SQL is parsed here, never run.
"""
