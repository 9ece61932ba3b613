"""The API's errors, worded as the server words them."""

from collections.abc import Iterable
from typing import NoReturn

_TEXTS = {
    (400, 0): "Bad request",
    (400, 11): "Missing required fields",
    (400, 12): "Validation error",
    (400, 14): "Fields not defined for object",
    (400, 16): "Invalid value for fields",
    (400, 21): "Malformed regular expression",
    (400, 101): "Invalid task id",
    (400, 301): "Invalid user id",
    (400, 401): "Invalid project id",
    (400, 800): "Data validation error",
    (400, 1104): "Invalid scroll id",
    (401, 10): "Unauthorized (bad authentication header type)",
    (401, 20): "Unauthorized (missing credentials)",
    (401, 21): "Unauthorized (malformed credentials)",
    (401, 22): "Unauthorized (invalid credentials)",
    (401, 30): "Invalid token",
    (500, 100): "General data error",
}


class ApiError(Exception):
    """An answer other than 200: ``code`` is the HTTP status, ``subcode`` identifies the error."""

    def __init__(self, code: int, subcode: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.subcode = subcode
        self.message = message


def _show(value: object) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return f"({', '.join(str(item) for item in value)})"
    return str(value)


def fail(code: int, subcode: int, extra: str = "", text: str = "", **facts: object) -> NoReturn:
    """Raise the error in the server's form: text (extra): fact=value, ...

    Raises:
        ApiError: always.
    """
    message = text or _TEXTS[code, subcode]
    if extra:
        message += f" ({extra})"
    if facts:
        message += ": " + ", ".join(f"{name}={_show(value)}" for name, value in facts.items())
    raise ApiError(code, subcode, message)


def search_failed(reason: str) -> NoReturn:
    """Raise the server's error for a request that Elasticsearch refuses (500/100)."""
    fail(500, 100, f"BadRequestError(400, 'search_phase_execution_exception', '{reason}')")
