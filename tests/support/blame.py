"""An answer over HTTP, and types of the fixtures that send it."""

from collections.abc import Callable

SECRET = "s3cr3t-of-the-tests"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Blame = Callable[..., str]
Serve = Callable[..., int]


def answer(status: str, body: bytes = b"") -> bytes:
    """Write an answer of a server that closes: a connection used again might find it closed."""
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
