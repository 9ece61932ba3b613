"""The tag ``:shard`` of a query's header: how a question may be divided into parts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

if TYPE_CHECKING:
    from clearml_snapshot.queries.ask.header import Param

_WORDS: Final = re.compile(
    r"""
    (?P<key>metric|series|task) (?P<sorted>,\ sorted)?
    (,\ metric\ if\ (?P<coarser>\w+\ \w+))?
    (,\ only\ if\ (?P<only>\w+\ \w+(\ or\ \w+\ \w+)*)\ and\ no\ (?P<never>\w+))?
    (;\ (?P<whole>\w+\ \w+(\|\w+)*)\ at\ once)?
    (;\ (?P<times>\d+(\.\d+)?)\ times\ the\ points(\ without\ (?P<without>\w+(\|\w+)*))?
        (,\ (?P<other_times>\d+(\.\d+)?)\ times\ if\ (?P<other>\w+\ \w+))?)?
    (;\ at\ most\ (?P<most_series>\d+)\ series
        (,\ fewer\ if\ (?P<deciding>max|min|last)\ is\ suspect)?)?
    (?P<long>;\ long\ answer)?
    """,
    re.VERBOSE,
)

Key = Literal["metric", "series", "task"]
"""What a query treats independently: each metric and variant, each series, or each task."""
Deciding = Literal["max", "min", "last"]
"""The value of a series that an answer uses."""


@dataclass(frozen=True)
class Shard:
    """How a question may be divided: ``:shard metric``, ``:shard series`` or ``:shard task``.

    In each part the query sees some of the series or, for ``task``, some of the tasks with
    everything about them. The answer must be the answers of the parts, one after the other in the
    order of metric and variant and, for ``series``, of the tasks' names and ids; for ``task``, in
    the order of the tasks' names and ids alone.
    """

    key: Key
    is_sorted: bool = False
    """``, sorted``: the rows of all parts are sorted again by the query's last ORDER BY."""
    coarser: tuple[str, str] | None = None
    """``, metric if by variant``: a parameter, and its value that makes the key ``metric``."""
    whole: tuple[str, tuple[str, ...]] | None = None
    """``; kind a|b at once``: a parameter, and its values that need every series at once."""
    larger: tuple[float, tuple[str, ...]] = (1, ())
    """``; 6 times the points without a|b``: how much larger a part is if no such value is given."""
    only: tuple[tuple[str, str], ...] = ()
    """``, only if by task or suspect_zeros exclude and no at``: one of these must be given."""
    never: str | None = None
    """The parameter after ``and no``: if it is given, the query is not divided."""
    otherwise: tuple[float, str, str] | None = None
    """``, 4 times if per task``: how much larger a part is if a parameter has this value; ``true``
    is that of a flag."""
    most_series: int | None = None
    """``; at most 200000 series``: parts are sized by their series, whatever points these have."""
    deciding: Deciding | None = None
    """``, fewer if max is suspect``: and, if suspect zeros are excluded, by the points of series
    whose maximum is a value that NaN was logged as."""
    is_long: bool = False
    """``; long answer``: there may be as many rows as points, for a key that suggests few rows."""

    @property
    def follows(self) -> bool:
        """Whether the answers of the parts, one after the other, are the complete answer."""
        return not self.is_sorted and self.whole is None

    def divides(self, values: Mapping[str, Any]) -> bool:
        """Whether the query may be divided with the values that are bound to its parameters."""
        if self.never is not None and values.get(self.never) is not None:
            return False
        return not self.only or any(values.get(name) == value for name, value in self.only)

    def most_for(self, values: Mapping[str, Any], most: int) -> int:
        """Return the maximum size of a part, at least 1, from that of other queries."""
        if self.otherwise is not None and _is(values.get(self.otherwise[1]), self.otherwise[2]):
            return max(1, int(self.otherwise[0] * most))
        times, without = self.larger
        is_given = any(values.get(name) is not None for name in without)
        return most if is_given else max(1, int(times * most))

    def key_for(self, values: Mapping[str, Any]) -> Key:
        """Return the key for the values that are bound to the query's parameters."""
        if self.coarser is not None and values.get(self.coarser[0]) == self.coarser[1]:
            return "metric"
        return self.key

    def problem(self, params: Sequence["Param"], sql: str) -> str | None:
        """Say why a question cannot be divided as its header says; None if it can."""
        if self.is_sorted and "ORDER BY" not in sql:
            return "the SQL has no ORDER BY, by which the rows of all parts are sorted"
        named = {*self.larger[1], *dict(self.only), *([self.never] if self.never else [])}
        named |= {tag[0] for tag in (self.coarser, (self.otherwise or ("",))[1:]) if tag}
        if unknown := named - {each.name for each in params}:
            return f"the query has no parameter {min(unknown)}"
        if self.whole is None:
            return None
        name, at_once = self.whole
        if any(
            each.name == name and each.many and {*at_once} <= {*each.choices} for each in params
        ):
            return None
        return (
            f"{'|'.join(at_once)} at once: {name} must be a list, and have these among its choices"
        )


def parse_shard(text: str) -> Shard | None:
    """Read what follows ``:shard``; None if it cannot be read."""
    found = _WORDS.fullmatch(text.strip())
    if found is None:
        return None
    words = found.groupdict()
    whole, only, without = words["whole"], words["only"], words["without"]
    other = _word_and_value(words["other"])
    name, _, choices = (whole or "").partition(" ")
    either = [each.partition(" ") for each in only.split(" or ")] if only else []
    return Shard(
        cast(Key, words["key"]),
        is_sorted=words["sorted"] is not None,
        coarser=_word_and_value(words["coarser"]),
        whole=(name, tuple(choices.split("|"))) if whole else None,
        larger=(float(words["times"] or 1), tuple(without.split("|")) if without else ()),
        only=tuple((name, value) for name, _, value in either),
        never=words["never"],
        otherwise=(float(words["other_times"] or 1), *other) if other else None,
        most_series=int(words["most_series"]) if words["most_series"] else None,
        deciding=cast(Deciding | None, words["deciding"]),
        is_long=words["long"] is not None,
    )


def _is(value: object, word: str) -> bool:
    """Return whether a value is the one that a header names; ``true`` is that of a flag."""
    return value == word or (value is True and word == "true")


def _word_and_value(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    word, _, value = text.partition(" ")
    return word, value
