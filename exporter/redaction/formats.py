"""The formats in which issuers write their keys and tokens, read from ``formats.tsv``.

One format per line, with its source. Further formats come from detect-secrets, which is loaded with
the first text that may need it. Only its expressions are used, never ``analyze_line`` or
``verify``, which call the issuer over the network to check a key.
"""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from importlib.resources import files
from typing import Final

from clearml_snapshot.exporter.redaction.gates import literal_gate

_TABLE: Final = "formats.tsv"

Check = Callable[[str], bool]
INSIDE: Final = "*"
"""Precedes a literal part that may be anywhere in the value."""


@dataclass(frozen=True)
class Format:
    """The format of one issuer's credentials."""

    name: str
    parts: tuple[str, ...]
    """Every value begins with one of these literal parts, or contains one that has a star."""
    expression: str
    source: str = ""
    """Where the format is published."""

    @cached_property
    def markers(self) -> tuple[str, ...]:
        """The literal parts, one of which every value has."""
        return tuple(part.removeprefix(INSIDE) for part in self.parts)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The expression, compiled on first use: a run meets few of the 150 formats."""
        return re.compile(rf"(?<![A-Za-z0-9])(?:{self.expression})")


@dataclass(frozen=True)
class Detector:
    """An expression of detect-secrets."""

    path: str
    """Module and class."""
    markers: tuple[str, ...]
    is_shaped: bool = False
    """Some names of runs have this format too, so the match must also look random."""

    @cached_property
    def patterns(self) -> tuple[re.Pattern[str], ...]:
        """The expressions; importing them takes 0.2 s and changes the process's warning filters."""
        module, name = self.path.split(".")
        detector = getattr(import_module(f"detect_secrets.plugins.{module}"), name)
        logging.captureWarnings(False)
        return tuple(detector.denylist)


_DETECTORS: Final = (
    Detector("aws.AWSKeyDetector", ("aws", "AWS")),
    Detector("discord.DiscordBotTokenDetector", (".",), is_shaped=True),
    Detector("telegram_token.TelegramBotTokenDetector", (":",), is_shaped=True),
)
"""By issuer. Left out, because they hit hyperparameters: both entropy detectors, public IP
addresses, IBM and Softlayer (any 44 characters), Artifactory (``APARTMENTS2020``). The table covers
the others better."""

_SHORTEST: Final = re.compile(r"[^\s\"'<>,;(){}]{16}")
"""Every credential in the table has this many characters without a space; few parameters do."""


@lru_cache(maxsize=1)
def formats() -> tuple[Format, ...]:
    """Read the table."""
    text = files(__package__).joinpath(_TABLE).read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return tuple(Format(name, tuple(m.split()), shape, source) for name, m, shape, source in rows)


_WORD: Final = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True)
class _Index:
    """The formats by their literal parts: a few searches instead of one per part."""

    by_word: dict[str, list[Format]]
    """By the letters and digits before the first other character: ``npm`` for ``npm_``."""
    by_start: dict[str, list[Format]]
    """By the first two letters, for parts that letters of the key follow: ``AK`` for ``AKIA``."""
    inside: tuple[tuple[str, Format], ...]
    """Parts that may occur anywhere."""

    @cached_property
    def any_inside(self) -> re.Pattern[str]:
        """Finds any of `inside`."""
        return literal_gate(part for part, _ in self.inside)

    @cached_property
    def words(self) -> frozenset[str]:
        """The keys of `by_word`."""
        return frozenset(self.by_word)

    @cached_property
    def starts(self) -> frozenset[str]:
        """The keys of `by_start`."""
        return frozenset(self.by_start)


@lru_cache(maxsize=1)
def _index() -> _Index:
    by_word: dict[str, list[Format]] = {}
    by_start: dict[str, list[Format]] = {}
    inside: list[tuple[str, Format]] = []
    for fmt in formats():
        for part in fmt.parts:
            word = _WORD.match(part)
            if word is None:
                inside.append((part.removeprefix(INSIDE), fmt))
            elif word[0] == part:
                by_start.setdefault(part[:2], []).append(fmt)
            else:
                by_word.setdefault(word[0], []).append(fmt)
    return _Index(by_word, by_start, tuple(inside))


def issued(text: str, looks_random: Check) -> Iterator[tuple[int, int]]:
    """Find text in the format of an issuer; yields start and end.

    Args:
        text: the text.
        looks_random: checks matches of formats that ordinary names have too.
    """
    if _SHORTEST.search(text) is None:
        return
    for fmt in _candidates(text):
        for match in fmt.pattern.finditer(text):
            yield match.span()
    for detector in _DETECTORS:
        if any(marker in text for marker in detector.markers):
            yield from _detected(detector, text, looks_random)


def _candidates(text: str) -> list[Format]:
    """Return the formats with a literal part that is in the text."""
    index, words = _index(), set(_WORD.findall(text))
    candidates = []
    if index.any_inside.search(text) is not None:
        candidates += [fmt for marker, fmt in index.inside if marker in text]
    if not index.words.isdisjoint(words):
        candidates += [fmt for word in words for fmt in index.by_word.get(word, ())]
    starts = {word[:2] for word in words}
    if not index.starts.isdisjoint(starts):
        candidates += [fmt for start in starts for fmt in index.by_start.get(start, ())]
    if not candidates:
        return candidates
    return [fmt for fmt in dict.fromkeys(candidates) if any(part in text for part in fmt.markers)]


def _detected(detector: Detector, text: str, looks_random: Check) -> Iterator[tuple[int, int]]:
    for pattern in detector.patterns:
        for match in pattern.finditer(text):
            tail = re.split(r"[.:]", match[0])[-1]
            if not detector.is_shaped or looks_random(tail):
                yield match.span()
