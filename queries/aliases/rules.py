"""Reads aliases, ``new name = stored name``, from a file or from a mapping."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.names import is_glob, names_pattern
from clearml_snapshot.exporter.store.disk.places import refuse_address

_MOST_BYTES: Final = 1_000_000
"""The maximum size of a file, so that one that never ends is refused."""

_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_LINE: Final = re.compile(rf"\s*((?:{_QUOTED}|[^\"=])*?)\s*=\s*(.*?)\s*", re.DOTALL)
_COMMENT: Final = re.compile(rf"((?:{_QUOTED}|(?<!\s)#|[^\"#])*?)\s*(?:(?:^|\s)#.*)?", re.DOTALL)
_NAME: Final = re.compile(
    rf"(?P<bare>[^\"]+?)(?:/(?P<variant>{_QUOTED}))?"
    rf"|(?P<metric>{_QUOTED})(?:/(?P<rest>{_QUOTED}|[^\"]+))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Name:
    """A name as typed: of a metric, or of a metric and a variant."""

    text: str
    """As typed, for messages."""
    metric: str
    variant: str | None = None
    is_divided: bool = True
    """Whether it is known what is the metric; if not, ``metric`` may include the variant."""


@dataclass(frozen=True)
class Rule:
    """One alias."""

    place: str
    """Where it is written: the file and the line, or the key of a mapping."""
    new: Name
    stored: Name
    pattern: re.Pattern[str] | None = None
    """What a metric, or metric/variant, must match completely; if None, the name is exact."""
    is_regex: bool = False
    """Whether the pattern is a regular expression, so that the new name can contain its groups."""


def rules_of(texts: Mapping[str, str | Iterable[str]]) -> tuple[Rule, ...]:
    """Read a mapping of new names to stored ones.

    Raises:
        UsageError: a name is not valid.
    """
    return tuple(_of_mapping(texts))


def rules_in(path: Path) -> tuple[Rule, ...]:
    """Read a file with one alias per line; empty lines and comments have none.

    Raises:
        UsageError: the file cannot be read, or a line is not an alias.
    """
    lines = enumerate(_text(path).split("\n"), 1)
    rules = (_of_line(line, f"{path}, line {number}") for number, line in lines)
    return tuple(rule for rule in rules if rule is not None)


def _text(path: Path) -> str:
    refuse_address(path)
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise UsageError(f"aliases: {path} is larger than 1 MB; choose a file of aliases")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"aliases: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}, line {line}: not UTF-8 text; save it as UTF-8") from None


def _of_mapping(texts: Mapping[str, str | Iterable[str]]) -> Iterator[Rule]:
    for new, stored in texts.items():
        for text in (stored,) if isinstance(stored, str) else stored:
            yield _rule(new, text, f"aliases[{new!r}]")


def _of_line(line: str, place: str) -> Rule | None:
    """Read a line of a file; None if it is empty or a comment."""
    content = _COMMENT.fullmatch(line)
    if content is None:
        raise UsageError(f"{place}: {_unclosed(line)}")
    if not content[1].strip():
        return None
    sides = _LINE.fullmatch(content[1])
    if sides is None or not sides[1] or not sides[2]:
        raise UsageError(f"{place}: {line.strip()!r} is not an alias; write new name = stored name")
    return _rule(sides[1], sides[2], place)


def _unclosed(text: str) -> str:
    return (
        f"a quotation mark in {text.strip()!r} is not closed; write a name that contains one "
        r'in quotation marks, as "5\" disk"'
    )


def _rule(new: str, stored: str, place: str) -> Rule:
    new_name = _name(new, place)
    if stored.startswith("~"):
        regex = _regex(stored[1:].strip(), place)
        _check_groups(new_name, regex, place)
        return Rule(place, new_name, Name(stored, stored), regex, is_regex=True)
    stored_name = _name(stored, place)
    glob = not stored_name.is_divided and is_glob(stored_name.metric)
    pattern = re.compile(names_pattern([stored_name.metric]) or "") if glob else None
    return Rule(place, new_name, stored_name, pattern)


def _name(text: str, place: str) -> Name:
    """Read a name; quoted parts are as in JSON, and a slash outside of them may divide it."""
    text = text.strip()
    parts = _NAME.fullmatch(text)
    if parts is None:
        raise UsageError(f"{place}: {_unclosed(text)}" if text else f"{place}: a name is missing")
    if parts["bare"] is not None:
        variant = None if parts["variant"] is None else _unquoted(parts["variant"], place)
        return Name(text, parts["bare"], variant, is_divided=variant is not None)
    rest = parts["rest"]
    if rest is not None and rest.startswith('"'):
        rest = _unquoted(rest, place)
    return Name(text, _unquoted(parts["metric"], place), rest)


def _unquoted(text: str, place: str) -> str:
    try:
        unquoted: str = json.loads(text, strict=False)
        unquoted.encode()
    except ValueError:
        raise UsageError(
            f"{place}: {text} is not a quoted text as in JSON; write \\\\ for \\"
        ) from None
    return unquoted


def _regex(text: str, place: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"{place}: {text!r} is not a regular expression: {error}") from None


def _check_groups(new: Name, pattern: re.Pattern[str], place: str) -> None:
    r"""Refuse a new name with ``\2`` if the regular expression has only one group."""
    try:
        match = re.compile(pattern.pattern + "|", pattern.flags).fullmatch("")
        for template in (new.metric, new.variant):
            if match is not None and template is not None:
                match.expand(template)
    except (re.error, IndexError) as error:
        raise UsageError(
            f"{place}: {new.text!r} does not fit the regular expression: {error}"
        ) from None
