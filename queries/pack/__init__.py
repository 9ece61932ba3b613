"""Selects what a pack contains, removes redacted values, and writes its page and spreadsheet.

Comes in: a dataset, filters and redaction categories. Goes out: a snapshot for ``store.pack``, with
``index.html``, ``summary.csv`` and perhaps ``report.html`` beside its tables. Texts that look like
credentials stop it unless they are removed or kept explicitly.
"""
