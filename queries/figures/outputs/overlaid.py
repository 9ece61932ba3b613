"""Lays drawings of single curves over each other, so that each of them is seen.

Where curves share a character, it has the dots of all of them. Its colour, or the character itself,
is that of the curve of which the least is seen so far: equal curves alternate, and a short curve is
on top of a long one.
"""

import re
from collections.abc import Sequence
from typing import Final

_CELL: Final = re.compile(r"(?:\x1b\[[\d;]+m)?([^\x1b])(?:\x1b\[0m)?")
_NO_DOTS: Final = 0x2800
_BLANK: Final = (" ", chr(_NO_DOTS))
_FRAME: Final = "│┌┐└┘─┤├"


def overlaid(drawings: Sequence[str], height: int, n_behind: int) -> tuple[str, list[int]]:
    """Make one drawing of several with the same frame.

    Args:
        drawings: each with a line above and any number of lines below ``height`` lines of cells.
        height: the number of these lines.
        n_behind: of how many of them, the first ones, only what no other one covers is seen.

    Returns:
        The drawing, and how many cells of each one are seen.
    """
    seen = [0] * len(drawings)
    lines = [drawing.split("\n") for drawing in drawings]
    cells = [
        [[(match[1], match[0]) for match in _CELL.finditer(line)] for line in each[1 : height + 1]]
        for each in lines
    ]
    made = [[shown for _, shown in row] for row in cells[0]]
    shared = []
    for column in range(max(map(len, made), default=0)):
        for row in range(height):
            here = [each[row][column] for each in cells if column < len(each[row])]
            used = [at for at, (character, _) in enumerate(here) if character not in _BLANK]
            if not used or here[used[0]][0] in _FRAME:
                continue
            curves = [at for at in used if at >= n_behind] or used[-1:]
            shown = _joint([here[at][0] for at in used], [here[at] for at in curves])
            if len(curves) > 1:
                shared.append((row, column, curves, shown))
            else:
                seen[curves[0]] += 1
                made[row][column] = shown[0]
    for row, column, curves, shown in shared:
        chosen = min(range(len(curves)), key=lambda at: (seen[curves[at]], -at))
        seen[curves[chosen]] += 1
        made[row][column] = shown[chosen]
    rows = ["".join(row) for row in made]
    return "\n".join([lines[0][0], *rows, *lines[0][height + 1 :]]), seen


def _joint(characters: Sequence[str], curves: Sequence[tuple[str, str]]) -> list[str]:
    """Draw the dots of all characters of braille as each of the curves is drawn."""
    if any(not _NO_DOTS < ord(each) < _NO_DOTS + 256 for each in characters):
        return [shown for _, shown in curves]
    dots = _NO_DOTS
    for each in characters:
        dots |= ord(each)
    return [shown.replace(character, chr(dots)) for character, shown in curves]
