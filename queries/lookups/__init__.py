"""Short questions about the names and ids in a snapshot: one ``.sql`` file each, and nothing else.

Comes in: the schemas ``files`` (the snapshot) and ``picked`` (what a filter leaves of it), and the
view ``tasks``. Goes out: rows for ``dataset.py``, ``task_filter.py``, ``diff`` and ``pack``, which
read the files with ``ask.header.read``. What a user may ask by name is in ``catalogue``.
"""
