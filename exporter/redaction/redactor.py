"""Replaces credentials in free text with ``<redacted>``, because snapshots are shared.

`forms` finds them in a text, `names` decides what the name of a parameter announces.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from clearml_snapshot.exporter.own_keys import REDACTED as REDACTED
from clearml_snapshot.exporter.own_keys import scrub
from clearml_snapshot.exporter.redaction.forms import Span, long_user, spans
from clearml_snapshot.exporter.redaction.names import named_secret


def _replace(text: str, spans: list[Span]) -> tuple[str, int]:
    """Put one mark for each run of overlapping spans."""
    pieces: list[str] = []
    position = count = 0
    for start, end in sorted(spans):
        if start >= position or not count:
            pieces += (text[position:start], REDACTED)
            count += 1
        position = max(position, end)
    return "".join(pieces) + text[position:], count


_PASSES: Final = 8
"""More than any text in the tests needs."""


def _again(redact: Callable[[str], tuple[str, int]], text: str) -> tuple[str, int]:
    """Redact until nothing is found: removing one secret can reveal another.

    Then ``pack``, which searches once more, finds nothing in what an export stored.
    """
    total = 0
    for _ in range(_PASSES):
        safe, count = redact(text)
        if safe == text:
            break
        text, total = safe, total + count
    return text, total


def _redact_text(text: str) -> tuple[str, int]:
    return _again(_redact_once, text)


def _redact_once(text: str) -> tuple[str, int]:
    secret_spans = spans(text)
    return _replace(text, secret_spans) if secret_spans else (text, 0)


def _redact_parameter(name: str, value: str) -> tuple[str, bool]:
    if named_secret(name, value):
        return REDACTED, True
    text, count = _redact_text(value)
    if count and named_secret(name, text):
        return REDACTED, True
    return text, count > 0


_cached_parameter = lru_cache(maxsize=65536)(_redact_parameter)
_CACHED_LENGTH: Final = 256
"""Longer values seldom repeat, and the cache would keep them until the run ends."""

_URL_USER: Final = re.compile(r"^((?:[A-Za-z][\w+.\-]*)://)([^\s/?#]*)@")


def _redact_url(url: str) -> tuple[str, int]:
    return _again(_redact_url_once, url)


def _redact_url_once(url: str) -> tuple[str, int]:
    """Remove the password, or a token in place of the user; ``git@`` and names may stay."""
    match = _URL_USER.match(url)
    if match and (":" in match[2] or (match[1].startswith("http") and long_user(match[2]))):
        rest, count = _redact_text(url[match.end() :])
        return f"{match[1]}{REDACTED}@{rest}", count + 1
    return _redact_text(url)


class Redactor:
    """Replaces what looks like a credential by ``<redacted>`` and counts it.

    Attributes:
        keep_secrets: store everything as it is; nothing is counted.
        count: secrets replaced so far (a parameter counts once).
    """

    def __init__(self, keep_secrets: bool = False) -> None:
        self.keep_secrets = keep_secrets
        self.count = 0

    def parameter(self, section: str, name: str, value: str | None) -> tuple[str | None, bool]:
        """Return the value to store for a parameter, and whether it was redacted.

        A name that announces a credential redacts all of the value, anything else its secret parts.
        """
        if self.keep_secrets or not value:
            return value, False
        text = scrub(value)
        redact = _cached_parameter if len(text) <= _CACHED_LENGTH else _redact_parameter
        stored, is_secret = redact(f"{section}/{name}", text)
        is_secret = is_secret or text != value
        self.count += is_secret
        return stored, is_secret

    def text(self, value: str | None) -> tuple[str | None, int]:
        """Return a comment or message without its secret parts, and how many there were."""
        if self.keep_secrets or not value:
            return value, 0
        text = scrub(value)
        stored, hits = _redact_text(text)
        hits += text.count(REDACTED) - value.count(REDACTED)
        self.count += hits
        return stored, hits

    def url(self, value: str | None) -> tuple[str | None, int]:
        """Return a repository URL without password or token, and how many there were.

        ``git@github.com:x/y.git``, ``ssh://git@host`` and ``https://name@host`` stay as they are.
        """
        if self.keep_secrets or not value:
            return value, 0
        text = scrub(value)
        stored, hits = _redact_url(text)
        hits += text.count(REDACTED) - value.count(REDACTED)
        self.count += hits
        return stored, hits
