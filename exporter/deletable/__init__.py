"""Finds tasks whose scalars are completely stored, so that they can be deleted on the server.

Comes in: a dataset and a server. Goes out: task ids with the proof for each, and a note in the
dataset of what was listed. Every task is counted again on the server first. Nothing is ever
deleted: the server is only read.
"""
