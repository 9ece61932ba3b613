"""Files: synced, locked, replaced in one step, and removed when a process dies.

Comes in: paths and bytes. Goes out: files that survive a power cut, and errors that name the file
and what to do. Nothing here knows what a dataset is.
"""
