"""Short queries about the names and ids in a snapshot, one ``.sql`` file each.

Comes in: the schemas ``files`` (the snapshot) and ``picked`` (the tasks that match a filter), and
the view ``tasks``. Goes out: rows for ``dataset.py``, ``task_filter.py``, ``diff`` and ``pack``,
which read the files with ``ask.header.read``. Queries that users run by name are in ``catalogue``.
"""
