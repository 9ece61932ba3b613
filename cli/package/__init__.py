"""Exports ClearML scalars to Parquet and queries them offline.

``clearml_snapshot.exporter`` writes a dataset, ``clearml_snapshot.queries`` reads one, and
``clearml_snapshot.cli`` is the command line, which ``python -m clearml_snapshot`` starts too.
"""
