"""Removes credentials from texts, and remembers each: it may occur where no rule finds it."""

import json
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final

from clearml_snapshot.exporter.redaction.names import looks_issued, looks_typed
from clearml_snapshot.exporter.redaction.redactor import REDACTED, Redactor

_SHORTEST: Final = 6
"""A shorter one may be part of any word."""


class Search:
    """The rules of an export (``exporter.redact``), and what they have found so far."""

    def __init__(self) -> None:
        self._redactor = Redactor()
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def learn(self) -> bool:
        """Search for everything that was found, wherever it occurs; False if nothing was."""
        longest_first = sorted(self._secrets, key=lambda secret: (-len(secret), secret))
        if longest_first:
            every = "|".join(map(re.escape, longest_first))
            self._pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{every})(?![A-Za-z0-9])")
        return bool(longest_first)

    def text(self, text: str) -> str:
        """Give a text without its credentials."""
        return self._seen(text, self._redactor.text(text)[0] or "")

    def url(self, text: str) -> str:
        """Give an address without its credentials."""
        return self._seen(text, self._redactor.url(text)[0] or "")

    def parameter(self, section: str, name: str, value: str | None) -> str | None:
        """Give the value of a hyperparameter without its credentials."""
        if value is None:
            return None
        return self._seen(value, self._redactor.parameter(section, name, value)[0] or "")

    def json(self, value: Any) -> Any:
        """Give a JSON value without the credentials in its texts, keys included."""
        return _mapped(value, self.text)

    def json_text(self, text: str) -> str:
        """Do the same for JSON text; it stays as it is without any."""
        try:
            value = json.loads(text)
        except ValueError:
            return self.text(text)
        safe = self.json(value)
        return text if safe == value else json.dumps(safe, ensure_ascii=False)

    def _seen(self, text: str, safe: str) -> str:
        if safe != text:
            self._secrets.update(filter(_is_telling, _removed(text, safe)))
        return safe if self._pattern is None else self._pattern.sub(REDACTED, safe)


def _removed(text: str, safe: str) -> list[str]:
    """Give the parts of a text for which there are marks in the safe one."""
    removed, position = [], 0
    kept = safe.split(REDACTED)
    for before, after in pairwise(kept):
        start = text.find(before, position) + len(before)
        end = text.find(after, start + 1) if after else len(text)
        removed.append(text[start : end if end > start else len(text)])
        position = end if end > start else start
    return removed


def _is_telling(secret: str) -> bool:
    """Whether it is too odd to occur twice by chance; ``production`` is a word."""
    if len(secret) < _SHORTEST or any(c.isspace() for c in secret):
        return False
    return looks_issued(secret) or looks_typed(secret)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(key)): _mapped(inner, change) for key, inner in value.items()}
    return [_mapped(inner, change) for inner in value] if isinstance(value, list) else value
