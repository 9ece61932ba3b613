"""Parses ``--where``: conditions on hyperparameters and on values of metrics. Pure, no I/O.

A grammar of its own, because names contain slashes, dots and dashes: for an SQL parser, also
DuckDB's, ``Args/lr`` is a division. What is typed never becomes SQL; names and values are bound.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NoReturn

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.settings import setting

Operator = Literal["=", "!=", "<", "<=", ">", ">="]
Statistic = Literal["best", "last", "max", "min"]

_OPERATORS: Final[dict[str, Operator]] = {
    "=": "=",
    "==": "=",
    "!=": "!=",
    "<>": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
}
_TURNED: Final[dict[Operator, Operator]] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_STATISTICS: Final[dict[str, Statistic]] = {
    "best": "best",
    "last": "last",
    "max": "max",
    "min": "min",
}
_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*")
      | (?P<operator><=|>=|<>|!=|==|=|<|>)
      | (?P<mark>[(),])
      | (?P<word>[^\s()<>=!,'"]+)
    )""",
    re.VERBOSE,
)
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_KEYWORDS: Final = frozenset({"and", "or", "not", "in", "is", "null"})
_DEEPEST: Final = 50
"""Brackets and ``not`` inside each other: each takes a few frames of Python's stack."""
_LONGEST_NUMBER: Final = 1_000
_LONGEST: Final = 10_000
"""Characters of a condition."""


@dataclass(frozen=True)
class Reference:
    """What is compared: a hyperparameter or a metric, by the name that was typed."""

    name: str
    statistic: Statistic | None = None
    """The value of a metric; None: a hyperparameter, or the best value of a metric."""

    def __str__(self) -> str:
        return self.name if self.statistic is None else f"{self.statistic}({self.name})"


@dataclass(frozen=True)
class Value:
    """A value as typed."""

    text: str
    is_number: bool


@dataclass(frozen=True)
class Comparison:
    """A reference compared with a value."""

    reference: Reference
    operator: Operator
    value: Value


@dataclass(frozen=True)
class Exists:
    """Whether a task has a hyperparameter or a metric."""

    reference: Reference


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    condition: "Condition"


@dataclass(frozen=True)
class Joined:
    """Several conditions."""

    word: Literal["and", "or"]
    conditions: tuple["Condition", ...]


Condition = Comparison | Exists | Not | Joined


def parse(text: str) -> Condition:
    """Parse a condition such as ``Args/lr < 0.1 and accuracy/validation > 0.9``.

    Raises:
        UsageError: it is not one; the message says what is wrong and where.
    """
    return _Parser(text).parse()


def references(condition: Condition) -> Iterator[Reference]:
    """Yield everything that a condition compares."""
    if isinstance(condition, Joined):
        for part in condition.conditions:
            yield from references(part)
    elif isinstance(condition, Not):
        yield from references(condition.condition)
    else:
        yield condition.reference


def is_number(text: str) -> bool:
    """Return whether a text is a finite decimal number.

    ``nearest_number`` in ``exporter/store/format/views.sql`` decides the same in SQL.
    """
    return len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text) is not None


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int

    @property
    def keyword(self) -> str:
        """The keyword that a word is; empty if it is none."""
        word = self.text.casefold()
        return word if self.kind == "word" and word in _KEYWORDS else ""


class _Parser:
    """Reads tokens from left to right; each method reads one rule of the grammar."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        if len(text) > _LONGEST:
            self._fail(f"it has more than {_LONGEST:,} characters")
        self._tokens = [*self._read(), _Token("end", "", len(text))]

    def parse(self) -> Condition:
        condition = self._either()
        if self._next.kind != "end":
            self._unexpected("the end, `and` or `or`")
        return condition

    def _read(self) -> Iterator[_Token]:
        at = 0
        while self._text[at:].strip():
            match = _TOKEN.match(self._text, at)
            if match is None:
                self._fail(f"cannot read {self._text[at:].strip()[:20]!r}; is a quote not closed?")
            kind = match.lastgroup or ""
            yield _Token(kind, match[kind], match.start(kind))
            at = match.end()

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _took(self, text: str) -> bool:
        """Take a keyword or a mark if it comes next."""
        token = self._next
        is_it = token.keyword == text or (token.kind == "mark" and token.text == text)
        self._at += is_it
        return is_it

    def _either(self) -> Condition:
        conditions = [self._both()]
        while self._took("or"):
            conditions.append(self._both())
        return conditions[0] if len(conditions) == 1 else Joined("or", tuple(conditions))

    def _both(self) -> Condition:
        conditions = [self._opposite()]
        while self._took("and"):
            conditions.append(self._opposite())
        return conditions[0] if len(conditions) == 1 else Joined("and", tuple(conditions))

    def _opposite(self) -> Condition:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail(f"more than {_DEEPEST} brackets or `not` are inside each other")
        if self._took("not"):
            condition: Condition = Not(self._opposite())
        elif self._took("("):
            condition = self._either()
            if not self._took(")"):
                self._unexpected("`)`")
        else:
            condition = self._comparison()
        self._depth -= 1
        return condition

    def _comparison(self) -> Condition:
        """Read ``name < 1``, ``1 < name``, ``0 < name < 1``, ``name in (1, 2)`` and so on."""
        first = self._next
        if first.kind == "text" or (first.kind == "word" and is_number(first.text)):
            value, operator = self._value(), self._operator()
            reference = self._reference()
            below = Comparison(reference, _TURNED.get(operator, operator), value)
            if self._next.kind != "operator":
                return below
            upper = Comparison(reference, self._operator(), self._value())
            return Joined("and", (below, upper))
        reference = self._reference()
        is_not = self._took("not")
        if self._took("in"):
            return self._negated(is_not, self._one_of(reference))
        if is_not:
            self._unexpected("`in`")
        if self._took("is"):
            is_not = self._took("not")
            if not self._took("null"):
                self._unexpected("`null`")
            return Exists(reference) if is_not else Not(Exists(reference))
        return Comparison(reference, self._operator(), self._value())

    def _one_of(self, reference: Reference) -> Condition:
        if not self._took("("):
            self._unexpected("`(`")
        values = [self._value()]
        while self._took(","):
            values.append(self._value())
        if not self._took(")"):
            self._unexpected("`,` or `)`")
        return Joined("or", tuple(Comparison(reference, "=", value) for value in values))

    def _negated(self, is_not: bool, condition: Condition) -> Condition:
        return Not(condition) if is_not else condition

    def _reference(self) -> Reference:
        token = self._take()
        statistic = _STATISTICS.get(token.text) if token.kind == "word" else None
        if statistic is not None and self._took("("):
            name = self._name(self._take())
            if not self._took(")"):
                self._unexpected("`)`")
            return Reference(name, statistic)
        if token.kind == "word" and (self._next.kind, self._next.text) == ("mark", "("):
            known = ", ".join(f"{name}(…)" for name in _STATISTICS)
            self._fail(f"{token.text[:40]}(…) is not known; a metric has {known}")
        return Reference(self._name(token))

    def _name(self, token: _Token) -> str:
        if token.kind == "quoted":
            return _unquoted(token.text)
        if token.kind != "word" or token.keyword:
            self._unexpected("the name of a hyperparameter or metric", token)
        return token.text

    def _operator(self) -> Operator:
        token = self._take()
        if token.kind != "operator":
            hint = ' (a name with spaces is written "in quotes")' * (token.kind == "word")
            self._unexpected(f"a comparison such as `<`{hint}", token)
        return _OPERATORS[token.text]

    def _value(self) -> Value:
        token = self._take()
        if token.kind in ("text", "quoted"):
            return Value(_unquoted(token.text), is_number=False)
        if token.kind != "word" or token.keyword:
            self._unexpected("a number or a text", token)
        return Value(token.text, is_number(token.text))

    def _unexpected(self, wanted: str, token: _Token | None = None) -> NoReturn:
        token = token or self._next
        found = "it ends" if token.kind == "end" else f"there is {token.text[:40]!r}"
        self._fail(f"expected {wanted} at character {token.at + 1}, but {found}")

    def _fail(self, reason: str) -> NoReturn:
        shown = self._text if len(self._text) <= 100 else self._text[:100] + "…"
        raise UsageError(f"{setting('where')} {shown!r}: {reason}")


def _unquoted(text: str) -> str:
    quote = text[0]
    return text[1:-1].replace(quote * 2, quote)
