"""Datasets in a bucket of an object store: S3, Google Cloud Storage or Azure, through obstore.

An address comes in; snapshots and the bytes of their files come out, and a new state goes in by
compare-and-set. Nothing here reads a table, and no credential of the store leaves this folder.
"""
