"""Finds keys after a prefix that no table lists: ``dtn_`` and 64 hexadecimal digits.

Issuers put a short name before a key, which distinguishes it from a hash. Ids and hashes get a word
before them as well (``run_2f7b…``, ``ckpt-8f14…``): `words` lists those words.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from clearml_snapshot.exporter.redaction.words import ID_WORDS

Span = tuple[int, int]
"""Start and end of what is to be replaced."""

_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PREFIXED: Final = re.compile(
    rf"(?<![A-Za-z0-9/_.\-])(?P<prefix>[A-Za-z][A-Za-z0-9]{{0,11}})(?P<more>(?:[_\-.][a-z0-9]{{1,12}}){{0,2}})"
    rf"[_\-.](?P<rest>{_UUID}|[0-9a-z]{{24,128}}|[0-9A-Z]{{24,128}})(?![A-Za-z0-9_\-./])"
)
_CANDIDATE: Final = re.compile(r"[_\-.](?:[0-9a-z]{24}|[0-9A-Z]{24}|[0-9a-f]{8}-[0-9a-f]{4}-)")
"""Part of every match; most texts do not have it."""
_LEAST: Final = 28
_LIVE: Final = frozenset(("production", "prod", "live", "sandbox"))
_SECRET: Final = ("secret", "token", "apikey")
_SHORTEST_HEX: Final = 26
"""Shorter ones are ids: 24 digits are one of MongoDB."""
_HEX: Final = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_VERSION: Final = re.compile(r"v\d{1,2}")
_VOWEL: Final = re.compile(r"[aeiou]")
_SHORT_PREFIX: Final = 6
_DOTTED: Final = re.compile(
    r"(?<![A-Za-z0-9/_.\-])[A-Za-z0-9]{1,16}(?:\.[A-Za-z0-9]{1,8}){0,2}"
    r"[._\-](?P<first>[A-Za-z0-9_\-]{20,256})\.(?P<second>[A-Za-z0-9_\-]{16,256})(?![A-Za-z0-9_\-./])"
)


_LONG_PAIR: Final = re.compile(r"[A-Za-z0-9_\-]{4}\.[A-Za-z0-9_\-]{16}")


def dotted(text: str) -> Iterator[Span]:
    """Find two generated words with a dot between, after a shorter one: an id and its secret."""
    if len(text) < _LEAST or "." not in text or _LONG_PAIR.search(text) is None:
        return
    for match in _DOTTED.finditer(text):
        if is_drawn(match["first"]) and is_drawn(match["second"]):
            yield match.span()


def is_drawn(value: str) -> bool:
    """Return whether letters and digits alternate throughout."""
    parts = re.findall(r"[a-z]+|[A-Z]+|[0-9]+", value)
    return len(parts) >= 0.3 * len(value) and any(part.isdigit() for part in parts)


def prefixed(text: str) -> Iterator[Span]:
    """Find keys behind a prefix that is not a word for ids or hashes."""
    if len(text) < _LEAST or _CANDIDATE.search(text) is None:
        return
    for match in _PREFIXED.finditer(text):
        words = [match["prefix"].lower(), *re.split(r"[_\-.]", match["more"])[1:]]
        if not any(map(_is_id_word, words)) and _is_key(words, match["rest"]):
            yield match.span()


def _is_id_word(word: str) -> bool:
    if _VERSION.fullmatch(word):
        return False
    return word in ID_WORDS or word.rstrip("0123456789") in ID_WORDS


def _is_key(words: list[str], rest: str) -> bool:
    """Return whether the rest is random and the words before it name an issuer."""
    if words[-1] in _LIVE or words[-1].endswith(_SECRET):
        return "-" in rest or len(rest) >= _SHORTEST_HEX
    if "-" in rest or len("".join(words)) < 2:
        return False
    if _HEX.fullmatch(rest):
        return len(rest) >= _SHORTEST_HEX and _names_issuer(words[0])
    return len(words[0]) <= _SHORT_PREFIX and _is_chance(rest)


def _names_issuer(prefix: str) -> bool:
    """Return whether a short word is an abbreviation without vowels; other words precede hashes."""
    if len(prefix) > _SHORT_PREFIX or (len(prefix) >= 4 and _HEX.fullmatch(prefix)):
        return False
    return _VOWEL.search(prefix) is None


def _is_chance(value: str) -> bool:
    """Return whether letters of one case and digits alternate as in a generated word."""
    if sum(c.isdigit() for c in value) < 3:
        return False
    changes = sum(a.isdigit() != b.isdigit() for a, b in pairwise(value))
    return changes >= 0.2 * len(value)
