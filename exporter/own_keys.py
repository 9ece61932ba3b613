"""Replaces the credentials of this process in any text.

A server or a proxy may send back what it received, in an error, a page or a name: unchanged or
encoded (the pair is sent as base64). Every credential is passed to `remember` where it is read.
`scrub` is applied to every error, to what is stored, and to everything that the program writes to
a terminal.
"""

import base64
import json
import re
import string
import threading
import urllib.parse
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Final

REDACTED: Final = "<redacted>"

_PREFIX: Final = 12
"""If a text was cut, this many characters of a credential are recognised at its start or end."""
_SHORTEST: Final = 6
"""Shorter credentials could be ordinary words."""
_WORDLIKE: Final = re.compile(r"[A-Za-z]{1,8}")
_BEFORE: Final = frozenset(string.ascii_letters + string.digits + "+_-")
_AFTER: Final = _BEFORE | frozenset("/.=%~\\")
"""Characters of base64, of tokens and of URL encoding: a match is extended over them."""


_JSON_TEXT: Final = r'"(?:[^"\\]|\\.)*"'

_MOST: Final = 12
"""Credentials that are remembered; of the tokens of a long run, the last ones."""


class _Credentials:
    """The credentials to look for.

    Nothing is compiled until a credential was found: each login of a long run adds a token, and
    hardly any text contains one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._needles: dict[str, frozenset[str]] = {}
        self._marks: tuple[str, ...] = ()
        self._pattern: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        with self._lock:
            if secret in self._needles:
                return
            if len(self._needles) >= _MOST:
                del self._needles[next(iter(self._needles))]
            self._needles[secret] = frozenset(_needles(secret))
            self._pattern = None
            self._marks = tuple(chain.from_iterable(map(_without_longer, self._needles.values())))

    def forget(self) -> None:
        with self._lock:
            self._needles, self._marks, self._pattern = {}, (), None

    def is_any(self) -> bool:
        return bool(self._marks)

    def are_in(self, text: str) -> bool:
        return any(mark in text for mark in self._marks)

    def found_in(self, text: str) -> Iterator[re.Match[str]]:
        """Find the credentials in a text, the longest form of each first."""
        if not self.are_in(text):
            return iter(())
        with self._lock:
            if self._pattern is None:
                every = frozenset().union(*self._needles.values())
                longest_first = sorted(every, key=lambda needle: (-len(needle), needle))
                self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        return self._pattern.finditer(text)


_credentials: Final = _Credentials()


def remember(*secrets: str | None) -> None:
    """Replace these credentials from now on, in every encoding and next to each other.

    Args:
        secrets: access key and secret key, or a token; None and short words are ignored.
    """
    for secret in secrets:
        if secret and len(secret) >= _SHORTEST and not _WORDLIKE.fullmatch(secret):
            _credentials.add(secret)


def forget() -> None:
    """Forget every credential; for tests, in which one process logs in as several users."""
    _credentials.forget()


def scrub(text: str) -> str:
    """Replace the credentials of this process by ``<redacted>``; other text is unchanged."""
    pieces: list[str] = []
    position = 0
    for match in _credentials.found_in(text):
        start, end = _widened(text, *match.span())
        if start > position or not pieces:
            pieces += [text[position:start], REDACTED]
        position = max(position, end)
    return "".join(pieces) + text[position:]


def are_known() -> bool:
    """Return whether there is any credential to look for."""
    return _credentials.is_any()


def are_in(text: str) -> bool:
    """Return whether any credential is in a text."""
    return _credentials.are_in(text)


def scrub_json(text: str) -> str:
    """Scrub the strings of a JSON text; the result is JSON, and numbers keep their digits."""
    return re.sub(_JSON_TEXT, _scrubbed_json_text, text) if are_in(text) else text


def _scrubbed_json_text(match: re.Match[str]) -> str:
    text = json.loads(match[0], strict=False)
    safe = scrub(text)
    return match[0] if safe == text else json.dumps(safe, ensure_ascii=False)


def scrub_bytes(body: bytes) -> bytes:
    """Scrub an answer of a server; bytes that are not UTF-8 are unchanged."""
    text = body.decode("utf-8", "surrogateescape")
    return scrub(text).encode("utf-8", "surrogateescape")


def _widened(text: str, start: int, end: int) -> tuple[int, int]:
    """Extend a match to the complete token or base64 text that it is a part of."""
    while start and text[start - 1] in _BEFORE:
        start -= 1
    while end < len(text) and text[end] in _AFTER:
        end += 1
    return start, end


def _needles(secret: str) -> Iterator[str]:
    """Yield the forms of a credential: as it is, encoded, and cut."""
    import html  # only where credentials are read

    escaped = {secret, json.dumps(secret)[1:-1], html.escape(secret), repr(secret)[1:-1]}
    yield from _spelt({cell for text in escaped for cell in _in_a_table(text)})
    yield from _spelt(_inside_base64(secret.encode(errors="surrogatepass")))
    encoded = secret.encode(errors="surrogatepass").hex()
    yield from (encoded, encoded.upper())


def _in_a_table(text: str) -> Iterator[str]:
    """Yield a text as it is, inside quotes of CSV, and in a cell of Markdown."""
    yield text
    yield text.replace('"', '""')
    yield text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _without_longer(needles: Collection[str]) -> Iterator[str]:
    """Leave out each needle that contains another one: where it occurs, that one is found."""
    for needle in needles:
        if not any(other in needle for other in needles if other != needle):
            yield needle


def _spelt(texts: Iterable[str]) -> Iterator[str]:
    """Yield each text as it is, in a URL and in nested JSON, and its first and last part."""
    for text in texts:
        quoted = urllib.parse.quote(text, safe="", errors="surrogatepass")
        for form in {text, quoted, urllib.parse.quote(quoted, safe=""), text.replace("/", "\\/")}:
            yield form
            if len(form) > _PREFIX + 4:
                yield form[:_PREFIX]
                yield form[-_PREFIX:]


def _inside_base64(secret: bytes) -> Iterator[str]:
    """Yield the part of its base64 form that is the same wherever it starts in a longer text.

    Three bytes become four characters, so there are three forms; the characters at both ends
    depend on their neighbours and are left out. It finds ``key:secret``, each alone, and complete
    headers.
    """
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret).decode().rstrip("=")
        core = encoded[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        if len(core) >= _SHORTEST + 2:
            yield from {core, core.replace("+", "-").replace("/", "_")}
