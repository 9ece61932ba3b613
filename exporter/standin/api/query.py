"""Decides which documents a listing matches: the server's filter language with its oddities."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dateutil.parser import parse as parse_date

from clearml_snapshot.exporter.standin.errors import ApiError, fail

Document = Mapping[str, Any]
Test = Callable[[Document], bool]
_Combine = Callable[[Iterable[object]], bool]

_DATE = re.compile(r"^(?P<prefix>>=|>|<=|<)?(?P<value>.*)$", re.DOTALL)
_COMPARE: dict[str | None, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    None: operator.eq,
}
_AND = ("__$all", "__$and")
_OR = ("__$any", "__$or")


@dataclass(frozen=True)
class Options:
    """Which fields of a kind of document can be filtered, and how. ``x.*`` is a prefix."""

    lists: tuple[str, ...] = ("tags", "system_tags", "id")
    ranges: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ("name",)
    equal: tuple[str, ...] = ()
    date_typed: tuple[str, ...] = ()


TASKS = Options(
    lists=(
        *("id", "user", "tags", "system_tags", "type", "status", "project", "parent"),
        *("hyperparams.*", "execution.queue", "models.input.model"),
    ),
    ranges=("created", "started", "active_duration", "last_metrics.*", "last_iteration"),
    dates=("status_changed", "last_update", "last_change"),
    patterns=("name", "comment", "report"),
    equal=("runtime.*",),
    date_typed=("created", "started"),
)
PROJECTS = Options(
    lists=("tags", "system_tags", "id", "parent", "path"),
    ranges=("last_update",),
    patterns=("name", "basename", "description"),
    date_typed=("last_update",),
)
USERS = Options(lists=("id",))


def get(document: Any, path: str) -> Any:
    """Return the value at a dotted path, or None."""
    for part in path.split("."):
        if not isinstance(document, Mapping):
            return None
        document = document.get(part)
    return document


def matcher(options: Options, request: Mapping[str, Any]) -> Test:
    """Return the test that the request's filters make; unknown filters are silently ignored."""
    tests: list[Test] = [
        _pattern([name], request[name], 0, all) for name in options.patterns if request.get(name)
    ]
    filters = request.get("filters") or {}
    for name, data in _matching(options.lists, filters):
        tests.append(_list_filter(name, data))
    for name, data in _matching(options.lists, request):
        if name not in filters:
            tests.append(_list_field(name, data))
    for name, data in _matching(options.ranges, request):
        tests.append(_range(name, data, dated=name in options.date_typed))
    for name, data in _matching(options.equal, request):
        tests.append(_equals(name, data))
    for name, data in _matching(options.dates, request):
        tests.append(_dates(name, data))
    tests.extend(_several_fields(options, request))
    return _combined(all, tests)


def _combined(combine: _Combine, tests: Sequence[Test]) -> Test:
    return lambda document: combine(test(document) for test in tests)


def _negated(test: Test) -> Test:
    return lambda document: not test(document)


def _equals(name: str, data: Any) -> Test:
    return lambda document: bool(get(document, name) == data)


def _holds(name: str, expected: set[str], *, every: bool) -> Test:
    """Test that the field, a list or not, has all or any of the wanted values."""

    def test(document: Document) -> bool:
        value = get(document, name)
        values = set(value) if isinstance(value, list) else {value}
        return expected <= values if every else bool(expected & values)

    return test


def _matching(names: Sequence[str], given: Mapping[str, Any]) -> list[tuple[str, Any]]:
    exact = {name for name in names if not name.endswith("*")}
    prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
    return [
        (name, data)
        for name, data in given.items()
        if data is not None and (name in exact or (prefixes and name.startswith(prefixes)))
    ]


def _pattern(names: Sequence[str], pattern: str, flags: int, combine: _Combine) -> Test:
    try:
        regex = re.compile(pattern, flags)
    except re.error as error:
        fail(400, 21, err=error, extra_info=None)
    return lambda doc: combine(
        isinstance(value, str) and regex.search(value) is not None
        for value in (get(doc, name) for name in names)
    )


def _several_fields(options: Options, request: Mapping[str, Any]) -> list[Test]:
    kinds: dict[str, _Combine] = {"_any_": any, "_or_": any, "_all_": all}
    tests: list[Test] = []
    for name, combine in {**kinds, "_and_": all}.items():
        data = request.get(name)
        if not data or not data.get("fields"):
            continue
        fields = data["fields"]
        if data.get("pattern") is not None:
            tests.append(_pattern(fields, data["pattern"], re.IGNORECASE, combine))
        elif data.get("datetime") is not None:
            parts = [_dates(field, data["datetime"]) for field in fields if field in options.dates]
            if parts:
                tests.append(_combined(combine, parts))
        else:
            fail(400, 12, "incorrect field format", field=name)
    return tests


def _list_field(name: str, data: Any) -> Test:
    """Test a list: [a, b] is OR, "__$all" makes it AND; "-a", "__$not" exclude; null is nothing."""
    parser = _ListParser(name)
    parser.read(data if isinstance(data, list) else [data])
    tests: list[Test] = []
    for action, values in parser.actions.items():
        test = _holds(name, set(values), every=action == "all")
        tests.append(_negated(test) if action == "nin" else test)
    chosen = _combined(any if parser.conjunction is False else all, tests)
    if not parser.allow_empty:
        return chosen if tests else lambda document: True
    return lambda document: (bool(tests) and chosen(document)) or get(document, name) in (None, [])


@dataclass
class _ListParser:
    """Reads a list of values and operators from left to right."""

    name: str
    actions: dict[str, list[str]] = field(default_factory=dict)
    conjunction: bool | None = None
    allow_empty: bool = False
    _current_and: bool = False
    _legacy: bool = True
    _negate: bool = False

    def read(self, data: list[Any]) -> None:
        for value in data:
            if value is not None and not isinstance(value, str):
                why = "invalid value type, string expected"
                fail(400, 16, why, field=self.name, value=str(value))
            if value is not None and value.startswith("__$") and value != "__$nop":
                self._operator(value)
                continue
            if self.conjunction is None:
                self.conjunction = True
            if value is None:
                self.allow_empty = True
            elif value == "__$nop":
                self._current_and, self._legacy = False, True
            else:
                self._value(value)
            self._negate = False
        if self._negate:
            fail(400, 16, "Value is expected after", operator="__$not")

    def _operator(self, value: str) -> None:
        if self._negate:
            fail(400, 16, "Value is expected after", field=self.name, operator="__$not")
        if value == "__$not":
            self._negate = True
            return
        if value not in _AND + _OR:
            fail(400, 16, "Unsupported operator", field=self.name, operator=value)
        self._current_and, self._legacy = value in _AND, False
        if self.conjunction is None:
            self.conjunction = self._current_and

    def _value(self, value: str) -> None:
        include = not self._negate
        if include and self._legacy and value.startswith("-"):
            value, include = value[1:], False
            if not value:
                why = "Missing value after the exclude prefix -"
                fail(400, 16, why, field=self.name, value="")
        action = ("all" if self._current_and else "in") if include else "nin"
        self.actions.setdefault(action, []).append(value)


def _list_filter(name: str, data: Any) -> Test:
    """The newer form: {any: {include, exclude}, all: {include, exclude}, op}."""
    groups: list[Test] = []
    kinds: tuple[tuple[str, _Combine], ...] = (("any", any), ("all", all))
    for kind, combine in kinds:
        part = data.get(kind) or {}
        # "any" includes what has one of them and excludes what has all; "all" the reverse.
        included = _sided(name, part.get("include") or [], every=kind == "all")
        excluded = _sided(name, part.get("exclude") or [], every=kind == "any")
        tests = included + [_negated(test) for test in excluded]
        if tests:
            groups.append(_combined(combine, tests))
    both: _Combine = any if data.get("op") == "or" else all
    return _combined(both, groups) if groups else lambda document: True


def _sided(name: str, values: Sequence[str | None], *, every: bool) -> list[Test]:
    """Return the tests of one side; a null among its values means an empty list."""
    non_null = {value for value in values if value is not None}
    empty = [_equals(name, [])] if None in values else []
    return empty + ([_holds(name, non_null, every=every)] if non_null else [])


def _range(name: str, data: Any, *, dated: bool) -> Test:
    if not isinstance(data, list) or len(data) != 2:
        fail(400, 12, f"Min and max values should be specified for range field {name}")
    if data == [None, None]:
        fail(400, 12, f"At least one of min or max values should be provided for field {name}")
    low, high = (_limit(name, value, dated=dated) for value in data)

    def test(document: Document) -> bool:
        value = get(document, name)
        if value is None:
            return low is None
        try:
            return (low is None or value >= low) and (high is None or value <= high)
        except TypeError:
            return False

    return test


def _limit(name: str, value: Any, *, dated: bool) -> Any:
    if value is None or not dated:
        return value
    moment = _moment(value)
    if moment is None:
        fail(400, 800, **{name: 'cannot parse date "None"'})
    return moment


def _moment(value: Any) -> datetime | None:
    try:
        moment: datetime = parse_date(value)
    except (ValueError, OverflowError, TypeError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _dates(name: str, data: Any) -> Test:
    """Test dates with operators; two bare dates are a range; what cannot be parsed is ignored."""
    values = data if isinstance(data, list) else [data]
    bare = [value is None or not value.startswith((">", "<")) for value in values]
    if len(values) == 2 and all(bare):
        return _range(name, values, dated=True)
    limits: dict[str | None, datetime] = {}
    for value in values:
        if value is None:
            raise ApiError(400, 16, _NULL_DATE + name)
        match = _DATE.match(value)
        moment = _moment(match["value"]) if match else None
        if match and moment is not None:
            limits[match["prefix"]] = moment

    def test(document: Document) -> bool:
        value = get(document, name)
        return not limits or (
            value is not None and all(_COMPARE[op](value, limit) for op, limit in limits.items())
        )

    return test


_NULL_DATE = (
    "Invalid value for fields (failed parsing query field): "
    "error=expected string or bytes-like object, got 'NoneType', field="
)
