"""Writes a dataset in a bucket, beside other writers: fetch what changes, build, send, publish.

Comes in: a stage of part files and rows. Goes out: objects that are created once, and a pointer
that is replaced if it is as it was read. If another writer was quicker, the snapshot is built again
on top of what that one made. There are no locks, and data files that stay are never fetched.
"""
