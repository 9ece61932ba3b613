"""The answer of each endpoint as a type: the one place where a server's JSON is given types.

An answer has the form of its type, or it is damaged and requested again. The entries of a list are
checked one by one: what is invalid in one of them is reported, and does not affect the others.
Pages of events have their own decoder, ``reader/events.py``.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec

from clearml_snapshot.exporter.client.failures import DamagedBodyError, looks_like

T = TypeVar("T")
EntryT = TypeVar("EntryT", bound=msgspec.Struct)

Id = Annotated[str, msgspec.Meta(min_length=1)]
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Version = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})*\Z")]
"""The version of an API; it becomes part of a URL."""
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

_OTHER_FORM: Final = (msgspec.ValidationError, UnicodeEncodeError, RecursionError)
"""What ``convert`` raises; the second for a field whose name contains a lone surrogate."""
_SHOWN: Final = 3
"""Invalid fields of one entry that are named."""


class Reference(msgspec.Struct):
    """A project, a user or a parent where the server joins it; some calls return the id only."""

    id: str | None = None
    name: str | None = None


class Script(msgspec.Struct):
    """The code of a task."""

    repository: str | None = None
    branch: str | None = None
    version_num: str | None = None
    entry_point: str | None = None


class TaskEntry(msgspec.Struct):
    """An entry of ``tasks.get_all_ex``; a field that was not requested, or is not set, is absent.

    Times are text here; ``tasks.read_time`` decides which of them are valid.
    """

    id: Id
    name: str | None = None
    type: str | None = None
    status: str | None = None
    status_changed: str | None = None
    project: Reference | str | None = None
    user: Reference | str | None = None
    tags: list[str] | None = None
    system_tags: list[str] | None = None
    created: str | None = None
    started: str | None = None
    completed: str | None = None
    last_update: str | None = None
    last_change: str | None = None
    last_iteration: Int64 | None = None
    active_duration: Int64 | None = None
    parent: Reference | str | None = None
    comment: str | None = None
    status_reason: str | None = None
    status_message: str | None = None
    script: Script | None = None
    hyperparams: dict[str, dict[str, Any] | None] | None = None
    last_metrics: dict[str, dict[str, Any] | None] | None = None


class NamedEntry(msgspec.Struct):
    """An entry of ``projects.get_all_ex`` or ``users.get_all_ex``."""

    id: Id
    name: str | None = None


class Tasks(msgspec.Struct):
    """``tasks.get_all_ex``."""

    tasks: list[Any]


class Projects(msgspec.Struct):
    """``projects.get_all_ex``."""

    projects: list[Any]


class Users(msgspec.Struct):
    """``users.get_all_ex``."""

    users: list[Any]


class Tags(msgspec.Struct):
    """``organization.get_tags``."""

    tags: list[str] | None = None


class TaskTypes(msgspec.Struct):
    """``tasks.get_types``."""

    types: list[str] | None = None


class MetricEntry(msgspec.Struct):
    """A metric and its variants."""

    metric: str
    variants: list[str] | None = None


class Metrics(msgspec.Struct):
    """``events.get_multi_task_metrics``."""

    metrics: list[MetricEntry]


class MetricNames(msgspec.Struct):
    """The names of one task's metrics."""

    metrics: list[str]


class TaskMetrics(msgspec.Struct):
    """``events.get_task_metrics``."""

    metrics: list[MetricNames] | None = None


class Columns(msgspec.Struct):
    """``events.scalar_metrics_iter_raw``, of which only names are read."""

    variants: dict[str, Any] | None = None
    returned: Count | None = None
    total: Count | None = None
    scroll_id: str | None = None


class MetricData(msgspec.Struct):
    """``events.get_scalar_metric_data``, of which only names are read."""

    events: list[dict[str, Any]] | None = None
    scroll_id: str | None = None


class Login(msgspec.Struct):
    """``auth.login``."""

    token: str


class Owner(msgspec.Struct):
    """The user and the company that a token belongs to."""

    user: str | None = None
    user_name: str | None = None
    company_name: str | None = None


class TokenClaims(msgspec.Struct):
    """The payload of a token."""

    exp: float | None = None
    """Seconds since 1970."""
    iat: float | None = None
    api_version: Version | None = None
    server_version: str | None = None
    identity: Owner | None = None


LISTS: Final[dict[str, type[Tasks | Projects | Users]]] = {
    "tasks": Tasks,
    "projects": Projects,
    "users": Users,
}


@dataclass(frozen=True, slots=True)
class Judged(Generic[EntryT]):
    """An entry, as far as it could be read, and what is wrong with it."""

    entry: EntryT | None
    """None if a required field is missing."""
    odd: str | None = None
    """A description of what could not be read."""


def reader(kind: type[T]) -> Callable[[bytes], T]:
    """Make a decoder for ``Client.call``, from a body to its ``data`` as ``kind`` describes it.

    The decoder raises DamagedBodyError if the data has another form.
    """

    def read(body: bytes) -> T:
        try:
            return msgspec.convert(data_of(body), kind)
        except _OTHER_FORM as error:
            raise DamagedBodyError(f"something of another form ({_described(error)})") from None

    return read


def data_of(body: bytes) -> dict[str, Any]:
    """Return the ``data`` of an envelope; bytes that are not UTF-8 become U+FFFD.

    Raises:
        DamagedBodyError: the body is not an envelope.
    """
    try:
        data = _parsed(body)["data"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DamagedBodyError(looks_like(body)) from None
    if not isinstance(data, dict):
        raise DamagedBodyError(looks_like(body))
    return data


def judge(received: object, kind: type[EntryT]) -> Judged[EntryT]:
    """Read one entry of a list; an invalid field is left out, and named in ``odd``.

    Args:
        received: the entry, as the server sent it.
        kind: the Struct to read it as.
    """
    try:
        return Judged(msgspec.convert(received, kind))
    except _OTHER_FORM as error:
        if not isinstance(received, dict):
            return Judged(None, _described(error))
    kept: dict[str, Any] = {}
    odd: list[str] = []
    for field in msgspec.structs.fields(kind):
        if field.name not in received:
            continue
        try:
            kept[field.name] = msgspec.convert(received[field.name], field.type)
        except _OTHER_FORM as error:
            odd.append(f"its {field.name} has another form ({_described(error)})")
    try:
        return Judged(kind(**kept), words(odd))
    except TypeError:  # a required field is missing
        return Judged(None, words(odd) or "it has no id")


def read_integer(digits: str) -> int | float:
    """Read an integer of JSON; Python refuses thousands of digits, which no double holds either."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


def words(odd: list[str]) -> str | None:
    """Join the descriptions of an entry's invalid fields; None if there are none."""
    more = [f"and {len(odd) - _SHOWN} more"] if len(odd) > _SHOWN else []
    return ", ".join([*odd[:_SHOWN], *more]) or None


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body, parse_int=read_integer)
    except UnicodeDecodeError:
        return json.loads(body.decode("utf-8", "replace"), parse_int=read_integer)


def _described(error: Exception) -> str:
    """Return msgspec's message, which quotes no received data: ``Expected `str`, got `int```."""
    if isinstance(error, msgspec.ValidationError):
        text = str(error).replace("`", "").replace("Expected", "expected")
        return text.replace(" - at $.", " at ").replace(" - at $", " at ")
    return "text that UTF-8 cannot hold" if isinstance(error, UnicodeError) else "nested too deep"
