"""Removes credentials from texts and remembers them, to find them where no rule does."""

import json
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final

from clearml_snapshot.exporter.redaction.names import looks_issued, looks_typed
from clearml_snapshot.exporter.redaction.redactor import REDACTED, Redactor

_SHORTEST: Final = 6
"""Shorter ones may be part of any word."""


class Search:
    """The rules of an export (``exporter.redact``), and what they have found so far."""

    def __init__(self) -> None:
        self._redactor = Redactor()
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def learn(self) -> bool:
        """Search for earlier findings everywhere from now on; False if there are none."""
        longest_first = sorted(self._secrets, key=lambda secret: (-len(secret), secret))
        if longest_first:
            every = "|".join(map(re.escape, longest_first))
            self._pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{every})(?![A-Za-z0-9])")
        return bool(longest_first)

    def text(self, text: str) -> str:
        """Return a text without its credentials."""
        return self._seen(text, self._redactor.text(text)[0] or "")

    def url(self, text: str) -> str:
        """Return an address without its credentials."""
        return self._seen(text, self._redactor.url(text)[0] or "")

    def parameter(self, section: str, name: str, value: str | None) -> str | None:
        """Return the value of a hyperparameter without its credentials."""
        if value is None:
            return None
        return self._seen(value, self._redactor.parameter(section, name, value)[0] or "")

    def json(self, value: Any) -> Any:
        """Return a JSON value without the credentials in its texts, keys included."""
        return _mapped(value, self.text)

    def json_text(self, text: str) -> str:
        """Return JSON text without credentials; unchanged if it has none."""
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
    """Return the parts of a text that were replaced by marks in the safe text."""
    removed, position = [], 0
    kept = safe.split(REDACTED)
    for before, after in pairwise(kept):
        start = text.find(before, position) + len(before)
        end = text.find(after, start + 1) if after else len(text)
        removed.append(text[start : end if end > start else len(text)])
        position = end if end > start else start
    return removed


def _is_telling(secret: str) -> bool:
    """Return whether it is too unusual to occur by chance; ``production`` is a word."""
    if len(secret) < _SHORTEST or any(c.isspace() for c in secret):
        return False
    return looks_issued(secret) or looks_typed(secret)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(key)): _mapped(inner, change) for key, inner in value.items()}
    return [_mapped(inner, change) for inner in value] if isinstance(value, list) else value
