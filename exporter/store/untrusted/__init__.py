"""Validates files of unknown origin before they are used.

Comes in: a folder, an archive or a Parquet file from anywhere. Goes out: a value that was checked,
or one line that describes what is wrong. Sizes are bounded before anything is allocated; links,
pipes and paths that lead elsewhere are refused.
"""
