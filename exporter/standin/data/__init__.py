"""The records behind the stand-in: tasks, projects, users, events, and invented histories.

Comes in: what a test or the demo stores. Goes out: documents and points in the server's order.
Nothing here knows a request.
"""
