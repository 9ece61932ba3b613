"""Writes the notes below an answer: how complete it is, suspect zeros, why it is empty.

Comes in: a dataset and the parameters of a query. Goes out: counts and sentences. An answer itself
is never changed here.
"""
