"""Writes copies of curves that other programs draw: TensorBoard and trackio.

In come a dataset, open for a filter, and ``CopyOptions``; out goes a new folder, which appears when
it is complete. Points are read in parts of DuckDB, one task after the other, so memory does not
grow with them. A writer knows one program: its files, its names, and what of the data it changes.
``iceberg_tables`` copies nothing: it registers files. Nothing here reaches a network.
"""
