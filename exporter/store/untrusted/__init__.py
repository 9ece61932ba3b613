"""Looks at a stranger's bytes before anybody believes them.

Comes in: a folder, an archive or a Parquet file from anywhere. Goes out: a value that was checked,
or one line that says what is wrong. Sizes are bounded before anything is allocated; links, pipes
and paths that lead elsewhere are refused.
"""
