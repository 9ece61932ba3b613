"""The formats in which issuers write their keys and tokens, out of ``formats.tsv``.

One format a line, with the source of the fact. What detect-secrets knows besides (it is loaded on
the first text that may need it) comes from there; only its expressions are used, never its
``analyze_line`` or ``verify``: those ask the issuer over the network whether a key works.
"""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from importlib.resources import files
from typing import Final

_TABLE: Final = "formats.tsv"

Check = Callable[[str], bool]


@dataclass(frozen=True)
class Format:
    """How one issuer writes its credentials."""

    name: str
    markers: tuple[str, ...]
    """Literal parts, one of which every value has: `in` is 20 times cheaper than a search."""
    expression: str
    source: str = ""
    """Where the format is published."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The compiled expression: of 150 formats a run meets few."""
        return re.compile(rf"(?<![A-Za-z0-9])(?:{self.expression})")


@dataclass(frozen=True)
class Detector:
    """An expression of detect-secrets."""

    path: str
    """Module and class."""
    markers: tuple[str, ...]
    is_shaped: bool = False
    """Some run names have its shape: the match must also look random."""

    @cached_property
    def patterns(self) -> tuple[re.Pattern[str], ...]:
        """The expressions; the import takes 0.2 s and diverts the warnings of the process."""
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
addresses, IBM and Softlayer (any 44 characters), Artifactory (``APARTMENTS2020``). The others know
less than the table does."""

_SHORTEST: Final = re.compile(r"[^\s\"'<>,;(){}]{16}")
"""Every credential of the table has so many characters without a space: most parameters do not."""


_SHORT: Final = 200
"""Characters of a text in which one search for all markers is quicker than one for each."""


@lru_cache(maxsize=1)
def formats() -> tuple[Format, ...]:
    """Read the table."""
    text = files(__package__).joinpath(_TABLE).read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return tuple(Format(name, tuple(m.split()), shape, source) for name, m, shape, source in rows)


@lru_cache(maxsize=1)
def _markers() -> tuple[tuple[str, Format], ...]:
    return tuple((marker, one) for one in formats() for marker in one.markers)


@lru_cache(maxsize=1)
def _any_marker() -> re.Pattern[str]:
    """Find any marker: one pass over a short text is quicker than 200 questions."""
    starts: dict[str, list[str]] = {}
    for marker in sorted({marker for marker, _ in _markers()}):
        starts.setdefault(marker[0], []).append(re.escape(marker[1:]))
    return re.compile("|".join(f"{re.escape(a)}(?:{'|'.join(b)})" for a, b in starts.items()))


def issued(text: str, looks_random: Check) -> Iterator[tuple[int, int]]:
    """Find what has the format of an issuer; gives start and end.

    Args:
        text: the text.
        looks_random: whether a match of a format that names share is a credential.
    """
    if _SHORTEST.search(text) is None:
        return
    if len(text) > _SHORT or _any_marker().search(text) is not None:
        yield from _of_issuers(text)
    for detector in _DETECTORS:
        if any(marker in text for marker in detector.markers):
            yield from _detected(detector, text, looks_random)


def _of_issuers(text: str) -> Iterator[tuple[int, int]]:
    for one in dict.fromkeys(one for marker, one in _markers() if marker in text):
        for match in one.pattern.finditer(text):
            yield match.span()


def _detected(detector: Detector, text: str, looks_random: Check) -> Iterator[tuple[int, int]]:
    for pattern in detector.patterns:
        for match in pattern.finditer(text):
            tail = re.split(r"[.:]", match[0])[-1]
            if not detector.is_shaped or looks_random(tail):
                yield match.span()
