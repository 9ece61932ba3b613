"""How bash takes a command line apart at TAB, and how a name continues the word that is typed.

bash inserts a completion as it is, in place of the text behind the last *break* of the word: an
opening quote, or a character of ``COMP_WORDBREAKS`` such as ``:`` or ``=``. What it leaves on the
line is the word's head.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_ESCAPED_IN_DOUBLE: Final = frozenset('\\"$`')
"""What a backslash quotes between double quotes; before anything else it means itself."""


@dataclass(frozen=True)
class Line:
    """A command line up to the cursor, without its quotes."""

    words: tuple[str, ...]
    """The finished words, the command first."""
    incomplete: str
    """The word at the cursor."""
    head: str
    """What bash keeps of that word."""
    quote: str
    """The quote that is open at the cursor, or nothing."""


def parse(text: str, breaks: str = "") -> Line:
    """Take a line apart; a quote that is not closed and a last backslash are not errors.

    Args:
        text: the line as it was typed, up to the cursor.
        breaks: bash's ``COMP_WORDBREAKS``.
    """
    reader = _Reader(breaks)
    characters = iter(text)
    for character in characters:
        if character == "\\" and reader.quote != "'":
            reader.escape(next(characters, ""))
        else:
            reader.read(character)
    head = reader.before_quote if reader.quote else reader.before_break
    return Line(tuple(reader.words), reader.word, head, reader.quote)


class _Reader:
    """Reads a line character by character."""

    def __init__(self, breaks: str) -> None:
        self.words: list[str] = []
        self.word = ""
        self.quote = ""
        self.before_quote = ""
        self.before_break = ""
        self._breaks = breaks
        self._is_in_word = False

    def escape(self, character: str) -> None:
        """Take a character behind a backslash; none at the end of the line."""
        self._is_in_word = True
        if self.quote and character and character not in _ESCAPED_IN_DOUBLE:
            self.word += "\\"
        self.word += character

    def read(self, character: str) -> None:
        """Take any other character."""
        if self.quote:
            self._read_quoted(character)
        elif character.isspace():
            self._end_word()
        elif character in "'\"":
            self._is_in_word = True
            self.quote, self.before_quote = character, self.word
        else:
            self._is_in_word = True
            self.word += character
            if character in self._breaks:
                self.before_break = self.word

    def _read_quoted(self, character: str) -> None:
        if character == self.quote:
            self.quote = ""
        else:
            self.word += character

    def _end_word(self) -> None:
        if self._is_in_word:
            self.words.append(self.word)
        self.word = self.before_break = ""
        self._is_in_word = False


def continuations(line: Line, names: Sequence[str]) -> list[str]:
    """Write what bash inserts, so that the word means exactly the name when the line is run.

    A name that cannot be written between the quotes that are open is left out. All names are
    quoted if one is, as bash inserts what they have in common.

    Args:
        line: what is typed.
        names: names that begin with ``line.incomplete``.
    """
    if set(line.head) & set("$`"):
        return []  # bash replaces a part of a word of which nobody knows what it will be
    ends = [name.removeprefix(line.head) for name in names]
    if line.quote == '"':  # between these ! calls up history, with a backslash before it as well
        return [_in_double_quotes(end) for end in ends if "!" not in end]
    if line.quote or any(shlex.quote(end) != end for end in ends):
        return ["'" + end.replace("'", "'\"'\"'") + "'" for end in ends]
    return ends


def _in_double_quotes(text: str) -> str:
    return '"' + "".join("\\" * (c in _ESCAPED_IN_DOUBLE) + c for c in text) + '"'
