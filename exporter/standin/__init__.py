"""An embedded ClearML API for the demo and the tests, never more lenient than a real server.

    with StandIn(database) as server:
        server.url, server.access_key, server.environment(), server.requests

``http`` serves and injects faults, ``api`` answers, ``data`` holds the records. Requests are
checked against the schemas inside the ``clearml`` package. Product code never imports it, except
for ``demo``.
"""
