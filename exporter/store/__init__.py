"""The dataset on disk: snapshots of Parquet files. No network, no ClearML.

Comes in: rows and points of tasks. Goes out: snapshots that are complete or absent, whatever
happens to the process. ``format`` says what a snapshot looks like, ``parts`` writes its files,
``writing`` commits them, ``pack`` makes one file of them, ``verify`` proves them, ``untrusted``
reads what a stranger wrote. A snapshot is never changed after its commit.
"""
