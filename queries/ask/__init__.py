"""From a question's header to bound parameters and columns.

Comes in: the name of a query or a file of one's own, and what was typed. Goes out: one SELECT, its
values, and the columns of its answer. SQL of a user is parsed here, never run.
"""
