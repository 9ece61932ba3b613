"""One export: discover, plan, fetch, reconcile, commit.

Comes in: a selection, options, and the dataset's folder. Goes out: a new snapshot in the dataset
and an ``ExportReport``; what could not be read is in both. Which tasks are read is decided in
``planning``; whether a fetched task replaces, extends or keeps the stored one in ``reconcile``.
Nothing here knows HTTP (``client``), endpoints (``reader``) or files (``store``).
"""
