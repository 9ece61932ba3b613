"""The handlers of the stand-in's endpoints, with the limits and oddities of real servers.

Comes in: a validated request. Goes out: the ``data`` of an answer, or the server's own error.
"""
