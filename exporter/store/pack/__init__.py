"""A snapshot as one ``.zip``: written, read, cached and unpacked.

Comes in: a snapshot folder, or an archive from anywhere. Goes out: an archive whose bytes depend
only on its contents, or a folder whose files agree with their checksums. What goes into a pack is
chosen in ``queries.pack``.
"""
