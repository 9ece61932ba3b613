"""Writes a dataset: locks and prepares it, builds the next snapshot, prunes old ones.

Comes in: a stage of part files and rows. Goes out: the next snapshot, published by one rename, or
nothing. One process writes at a time; readers are never blocked.
"""
