"""Shortens texts in the middle, so that texts that differ still differ."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from typing import Final

ELLIPSIS: Final = "…"

_Cut = Callable[[str, int], str]

_SHARES: Final = (1 / 2, 2 / 3, 1 / 3, 5 / 6, 1 / 6, 1.0, 0.0)
"""How much of the room the beginning of a text gets; the end has the rest."""


def least_width(texts: Sequence[str], at_least: int) -> int:
    """Find the smallest width to which texts can be shortened while those that differ still do.

    Args:
        texts: the texts.
        at_least: the smallest width to consider.
    """
    natural = max(map(_width, texts), default=0)
    for width in range(min(at_least, natural), natural):
        if _shortened(texts, width) is not None:
            return width
    return natural


def shortened(texts: Sequence[str], width: int) -> list[str]:
    """Shorten the texts that are wider, all of them in the same way.

    The cut is in the middle if that keeps different texts different, otherwise where it does.
    """
    fitting = _shortened(texts, width)
    return [_cut(text, width, _SHARES[0]) for text in texts] if fitting is None else fitting


def _shortened(texts: Sequence[str], width: int) -> list[str] | None:
    """Shorten texts to a width; None if texts that differ would look the same."""
    if all(_width(text) <= width for text in texts):
        return list(texts)
    n_different = len({*texts})
    for cut in _cuts([text for text in texts if _width(text) > width]):
        short = [cut(text, width) if _width(text) > width else text for text in texts]
        if len({*short}) == n_different:
            return short
    return None


def _cuts(too_wide: Sequence[str]) -> Iterator[_Cut]:
    for share in _SHARES:
        yield partial(_cut, share=share)
    n_first = _common(too_wide)
    if n_first:
        n_last = _common([text[n_first:][::-1] for text in too_wide])
        yield partial(_cut_twice, n_first=n_first, n_last=n_last)


def _common(texts: Sequence[str]) -> int:
    """Count the characters with which all texts begin."""
    columns = takewhile(lambda alike: len({*alike}) == 1, zip(*texts, strict=False))
    return sum(1 for _ in columns)


def _cut(text: str, width: int, share: float) -> str:
    """Keep the beginning and the end of a text."""
    if width < 1:
        return ""
    head = round((width - 1) * share)
    return beginning(text, head) + ELLIPSIS + ending(text, width - 1 - head)


def _cut_twice(text: str, width: int, *, n_first: int, n_last: int) -> str:
    """Keep what differs: cut what all texts have in common before it and behind it."""
    while 0 < n_first < len(text) and not _width(text[n_first]):
        n_first -= 1  # an accent stays with its letter
    while n_last and not _width(text[-n_last]):
        n_last -= 1
    differing = text[n_first : len(text) - n_last]
    room = width - 1 - _width(differing) - (1 if n_last else 0)
    if room < 0:
        return _cut(text, width, 0.0)
    head = beginning(text[:n_first], room if not n_last else (room + 1) // 2)
    middle = ELLIPSIS.join([head, differing])
    if not n_last:
        return middle
    return middle + ELLIPSIS + ending(text, width - 1 - _width(middle))


def beginning(text: str, width: int) -> str:
    """Return the longest beginning that is not wider; accents stay with their letters."""
    used = 0
    for at, character in enumerate(text):
        used += _width(character)
        if used > width:
            return text[:at]
    return text


def ending(text: str, width: int) -> str:
    """Return the longest end that is not wider; it does not begin with an accent."""
    used, start = 0, len(text)
    for at in range(len(text) - 1, -1, -1):
        used += _width(text[at])
        if used > width:
            break
        if _width(text[at]):
            start = at
    return text[start:]


def _width(text: str) -> int:
    from rich.cells import cell_len

    return len(text) if text.isascii() else cell_len(text)
