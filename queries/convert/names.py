"""Makes names that are safe in a folder, and names of curves that are unique."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from clearml_snapshot.exporter.own_keys import scrub
from clearml_snapshot.exporter.unseen import as_escape, spelled_out

_LONGEST: Final = 60
"""Bytes of a name that are kept; a name in a folder has at most 255."""
_SHORT_ID: Final = 8
_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
"""Names that Windows keeps for itself."""


def counted(number: int, unit: str) -> str:
    """Write a number with its unit: ``1 curve``, ``2,000 curves``."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def readable(text: str | None) -> str:
    """Return a text of other people for another program: unseen characters are spelled out."""
    return spelled_out(scrub(text or ""), as_escape)


def safe(text: str | None, otherwise: str) -> str:
    """Make one part of a path of a name: letters, digits, marks of letters, - and _ only.

    Args:
        text: the name, which may be anything.
        otherwise: what is used if nothing of the name is left.
    """
    visible = spelled_out(scrub(text or "")[: 4 * _LONGEST], lambda _: "-")
    kept = (c if _is_kept(c) else "-" for c in unicodedata.normalize("NFC", visible))
    one_part = re.sub("-{2,}", "-", "".join(kept)).strip("-")
    short = one_part.encode()[:_LONGEST].decode(errors="ignore").strip("-") or otherwise
    return f"{short}_" if _RESERVED.fullmatch(short) else short


def _is_kept(character: str) -> bool:
    return character in "-_" or unicodedata.category(character)[0] in "LMN"


def digest(text: str) -> str:
    """Return a short text that differs between names."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Unique:
    """Names that are unique, also on a disk that ignores case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, name: str, *longer: str) -> str:
        """Return the first of several names that was not returned before."""
        for each in (name, *longer):
            key = unicodedata.normalize("NFKC", each).casefold()
            if key not in self._taken:
                self._taken.add(key)
                return each
        return self.of(*(f"{each}_" for each in (name, *longer)))


def run_names(tasks: Iterable[tuple[str | None, str]]) -> list[str]:
    """Name a run per task: the task's name and the beginning of its id.

    Args:
        tasks: the name and the id of each.
    """
    unique = Unique()
    names = []
    for name, task_id in tasks:
        start, key = safe(name, "task"), digest(task_id)
        short, long = safe(task_id[:_SHORT_ID], key), safe(task_id, key)
        names.append(unique.of(f"{start}-{short}", f"{start}-{long}", f"{start}-{long}-{key}"))
    return names


def joined(metric: str, variant: str) -> str:
    """Name a curve by both; a metric without a variant is stored with its own name as one."""
    return metric if variant in ("", metric) else f"{metric}/{variant}"


def curve_names(
    pairs: Sequence[tuple[str, str]], with_curve: Iterable[bool], reserved: Iterable[str] = ()
) -> list[str]:
    """Name two curves per metric and variant: of its iterations, and of its single value.

    Args:
        pairs: metric and variant.
        with_curve: whether any task has iterations of it; else the single value has its name.
        reserved: names that mean something else.

    Returns:
        The names of each pair, one behind the other.
    """
    taken = set(reserved)
    names = []
    for (metric, variant), has_curve in zip(pairs, with_curve, strict=True):
        name = readable(joined(metric, variant))
        curve = _untaken(name, taken)
        names += [curve, _untaken(f"{name} (single value)", taken) if has_curve else curve]
    return names


def _untaken(name: str, taken: set[str]) -> str:
    number, new = 1, name
    while new in taken:
        number += 1
        new = f"{name} ({number})"
    taken.add(new)
    return new
