"""Finds invisible and control characters, so that all output spells them out in the same way.

Names come from other people. A terminal executes control characters, browsers and terminals reorder
text at bidi marks, and a zero-width space in a name or a message in tag characters is invisible.
The page of a pack, tables, JSON and every line for a terminal use this.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Final

_JOINABLE: Final = (
    "\u0590-\u061b\u061d-\u180a\u1810-\u1aff\u2190-\u2bff\u3400-\u9fff\ua840-\uabff\ufb1d-\ufdff"
    "\ufe0e\ufe0f\ufe70-\ufefc\U00010800-\U0001bbff\U0001f000-\U0001faff\U00020000-\U000323af"
)
"""Scripts that join letters, and emoji: between two of these a joiner changes the display."""

_ALWAYS: Final = (
    # C0 and C1 controls, line separators, bidi marks and embeddings, surrogates, annotations.
    "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff\ufff0-\ufffb"
    # Soft hyphen, grapheme joiner, fillers, zero width, and formats of notes and of shorthand.
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u3164\ufeff\uffa0"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    # Tags.
    "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_UNSEEN: Final = (
    f"[{_ALWAYS}]"
    # Variation selectors: after an emoji or ideograph they choose its form, else they are unseen.
    "|[\ufe00-\ufe0d]"
    "|(?<![#*0-9\xa9\xae\u203c\u2049\u2122-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff])[\ufe0e\ufe0f]"
    "|(?<![\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af])[\U000e0100-\U000e01ef]"
    # Joiners.
    f"|(?<![{_JOINABLE}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINABLE}])"
)
"""Unicode's Default_Ignorable_Code_Point (17.0) and its categories Cc, Zl, Zp and Cs.

Not spelled out: joiners and variation selectors where emoji and scripts need them.
"""

_PERHAPS: Final = f"[{_ALWAYS}\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]"
"""A fast check: almost no text contains any of these."""


def spelled_out(text: str, spell: Callable[[str], str]) -> str:
    """Spell out the unseen characters of a text; everything else is unchanged.

    Args:
        text: any text, lone surrogates too.
        spell: returns the replacement of a character; see `as_escape`, `as_code_point`, `as_json`.
    """
    if not has_unseen(text):
        return text
    return _unseen().sub(lambda match: spell(match[0]), text)


@cache
def _unseen() -> re.Pattern[str]:
    """Compile the pattern when a text needs it: that takes 4 ms, and few texts do."""
    return re.compile(_UNSEEN)


def has_unseen(text: str) -> bool:
    """Tell whether a text may have unseen characters; False is certain."""
    if text.isascii():
        return not text.isprintable()
    return re.search(_PERHAPS, text) is not None


def as_escape(character: str) -> str:
    r"""Spell a character as Python does: ``\x1b``, ``\n``, ``\u202e``."""
    return character.encode("unicode_escape").decode("ascii")


def as_code_point(character: str) -> str:
    """Spell a character as Unicode does: ``⟨U+202E⟩``."""
    return f"⟨U+{ord(character):04X}⟩"


def as_json(character: str) -> str:
    r"""Spell a character as JSON does, which can be read back: ``\u202e``, ``\udb40\udc01``."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def storable(text: str) -> str:
    r"""Spell out lone surrogates as ``\ud800``: no file in UTF-8 can hold them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
