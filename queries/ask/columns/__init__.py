"""Turns the rows of a query into the columns that were requested.

Comes in: rows that name a hyperparameter, a metric or a task beside its value. Goes out: the same
values as columns, in the order in which they were requested, and which of them are the answer.
"""
