"""HTTP to a ClearML server: login, an allow-list of endpoints, deadlines, retries and limits.

Comes in: the configuration that the ClearML SDK would use, an endpoint and its request. Goes out:
a decoded answer or one typed error. Only endpoints that read are allowed. ``configuration`` is the
only module beside the stand-in that imports ``clearml``. Nothing here knows what a task is.
"""
