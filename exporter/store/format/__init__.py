"""The on-disk format: names, schemas, states, and the texts beside the tables.

Comes in: nothing but values. Goes out: paths, Arrow schemas and texts. ``data/README.md`` describes
the same in prose. Nothing is written here.
"""
