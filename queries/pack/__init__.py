"""Chooses what a pack contains, removes what must not leave, and writes its page and spreadsheet.

Comes in: a dataset, filters and redaction categories. Goes out: a snapshot for ``store.pack``, with
``index.html`` and ``summary.csv`` beside its tables. Texts that look like credentials stop it.
"""
