"""The dataset on disk: snapshots of Parquet files. No network, no ClearML.

Comes in: rows and points of tasks. Goes out: snapshots that are either complete or absent, whatever
happens to the process. ``format`` defines what a snapshot looks like, ``parts`` writes its files,
``writing`` commits them, ``pack`` makes one file of them, ``verify`` checks them, ``untrusted``
validates files of unknown origin. A snapshot is never changed after its commit.
"""
