"""The embedded ClearML API on loopback, for the demo and the tests: strict, never kinder.

with StandIn(database) as server:
server.url, server.access_key, server.environment(), server.requests
"""
