"""Who may read a dataset: the mode of its folder applies to everything in it.

Comes in: the mode of a folder, or the value of ``--share``. Goes out: the modes of files and
folders, and one line when this user may not read or write.
"""
