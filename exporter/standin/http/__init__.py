"""The stand-in over real HTTP: connections, envelope, schemas of requests, injected faults.

Comes in: bytes on a socket. Goes out: an answer in the server's envelope, or the fault that a test
ordered. What is answered is decided in ``api``.
"""
