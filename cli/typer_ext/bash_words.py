"""Splits a command line as bash does for completion, and quotes names to continue a word.

bash inserts a completion unchanged, in place of the text after the last *break* of the word: an
opening quote, or a character of ``COMP_WORDBREAKS`` such as ``:`` or ``=``. The text before the
break stays on the line; it is the word's head.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_ESCAPED_IN_DOUBLE: Final = frozenset('\\"$`')
"""Characters that a backslash quotes in double quotes; elsewhere it is a plain backslash."""


@dataclass(frozen=True)
class Line:
    """A command line up to the cursor, without its quotes."""

    words: tuple[str, ...]
    """The finished words, the command first."""
    incomplete: str
    """The word at the cursor."""
    head: str
    """The part of that word that bash keeps."""
    quote: str
    """The quote that is open at the cursor, or an empty text."""


def parse(text: str, breaks: str = "") -> Line:
    """Split a line into words; an open quote and a trailing backslash are not errors.

    Args:
        text: the typed line up to the cursor.
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
        """Read the character after a backslash; it is empty at the end of the line."""
        self._is_in_word = True
        if self.quote and character and character not in _ESCAPED_IN_DOUBLE:
            self.word += "\\"
        self.word += character

    def read(self, character: str) -> None:
        """Read any other character."""
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
    """Quote names for bash, so that the word means exactly the name when the line is run.

    A name that cannot be written inside the open quotes is left out. If one name is quoted, all
    are, because bash inserts their common prefix.

    Args:
        line: the typed line.
        names: names that start with ``line.incomplete``.
    """
    if set(line.head) & set("$`"):
        return []  # bash expands part of the word, and the result is unknown
    ends = [name.removeprefix(line.head) for name in names]
    if line.quote == '"':  # inside double quotes, ! recalls history even after a backslash
        return [_in_double_quotes(end) for end in ends if "!" not in end]
    if line.quote or any(shlex.quote(end) != end for end in ends):
        return ["'" + end.replace("'", "'\"'\"'") + "'" for end in ends]
    return ends


def _in_double_quotes(text: str) -> str:
    return '"' + "".join("\\" * (c in _ESCAPED_IN_DOUBLE) + c for c in text) + '"'
