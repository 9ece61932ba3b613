"""Copies snapshots between a folder, a pack and a bucket, byte for byte.

A source lists its snapshots and lends their files; a target takes what it does not have, compares
every hash, and makes the new state visible in one step. What a killed copy has transferred is found
by its hash and not transferred again. Nothing is decided about tasks here: a snapshot is copied as
it is, or not at all.
"""
