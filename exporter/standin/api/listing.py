"""Ordering, paging, scrolling and projecting a list of documents, with the server's limits."""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from clearml_snapshot.exporter.standin.api.query import get
from clearml_snapshot.exporter.standin.errors import fail

Document = dict[str, Any]

# Both: docs/clearml-server.md, "Pages of a list".
MAX_PAGE_SIZE = 500
SCROLL_SECONDS = 600.0


@dataclass(frozen=True)
class Kind:
    """What a projection may name.

    Attributes:
        name: as it appears in errors.
        fields: every top-level field of the document.
        hidden: fields that are left out unless named.
        references: field -> the documents that its ids point to.
    """

    name: str
    fields: frozenset[str]
    hidden: frozenset[str] = frozenset()
    references: Mapping[str, Mapping[str, Document]] = field(default_factory=dict)


@dataclass
class Scrolls:
    """Positions of unfinished listings; they expire after ``seconds`` without use."""

    seconds: float = SCROLL_SECONDS
    _positions: dict[str, tuple[int, float]] = field(default_factory=dict)

    def resume(self, scroll_id: str | None) -> tuple[str, int]:
        """Return (id, position); an unknown or expired id starts again under a new one."""
        position, until = self._positions.get(scroll_id or "", (0, 0.0))
        if scroll_id and until > time.monotonic():
            return scroll_id, position
        return uuid.uuid4().hex, 0

    def keep(self, scroll_id: str, position: int) -> None:
        """Remember the position of a listing."""
        self._positions[scroll_id] = (position, time.monotonic() + self.seconds)


def page(
    kind: Kind, documents: list[Document], request: Mapping[str, Any], scrolls: Scrolls
) -> tuple[list[Document], dict[str, str]]:
    """Return (the documents of one page, the rest of the answer: the scroll id)."""
    if request.get("order_by"):
        documents = _ordered(kind, documents, request["order_by"])
    if "scroll_id" not in request:
        start, size = _window(request)
        return documents[start : start + size], {}
    size = _scroll_size(request)
    scroll_id, start = scrolls.resume(request["scroll_id"])
    if request.get("refresh_scroll"):
        start, size = 0, max(start, size)
    chosen = documents[start : start + size]
    scrolls.keep(scroll_id, start + len(chosen))
    return chosen, {"scroll_id": scroll_id}


def _window(request: Mapping[str, Any]) -> tuple[int, int]:
    number = request.get("page", 0)
    if number is not None and number < 0:
        fail(400, 12, "page must be >=0", field="page")
    size = request.get("page_size", MAX_PAGE_SIZE)
    if size is None:
        if "page" not in request or number is not None:
            fail(400, 11, "page_size is required when page is requested", field="page_size")
        size = MAX_PAGE_SIZE
    if size < 1:
        fail(400, 12, "page_size must be >0", field="page_size")
    size = min(size, MAX_PAGE_SIZE)
    return (number or 0) * size, size


def _scroll_size(request: Mapping[str, Any]) -> int:
    size = request.get("size")
    if not size or not isinstance(size, int) or size < 1:
        required = "Integer size parameter greater than 1"
        fail(400, 12, f"{required} should be provided when working with scroll")
    return size


def _ordered(
    kind: Kind, documents: list[Document], order_by: str | Sequence[str]
) -> list[Document]:
    names = [order_by] if isinstance(order_by, str) else list(order_by)
    if "@text_score" in names:
        text = "text score cannot be used in order_by when search text is not used"
        fail(400, 16, text)
    if not {"id", "-id"}.intersection(names):
        names.append("id")
    first = names[0]
    # Only a first, ascending name is looked up; others that do not exist order nothing.
    if not first.startswith("-") and first.partition(".")[0] not in kind.fields:
        unknown_field(first)
    for name in reversed(names):
        documents = sorted(
            documents, key=_ranked_by(name.lstrip("-")), reverse=name.startswith("-")
        )
    if first.startswith("-"):
        return documents
    return sorted(documents, key=lambda doc: get(doc, first) in (None, "", []))


def unknown_field(name: str) -> None:
    """Raise the error for a field that the database layer does not know."""
    why = "probably an invalid field name or unsupported nested field"
    fail(400, 14, why, "Lookup error", err=f'Cannot resolve field "{name}"')


def _ranked_by(path: str) -> Callable[[Document], tuple[int, Any]]:
    return lambda document: _rank(get(document, path))


def _rank(value: Any) -> tuple[int, Any]:
    if value is None:
        return 0, 0
    if isinstance(value, bool | int | float):
        return 1, value
    if isinstance(value, list):
        return 2, min(map(str, value), default="")
    if isinstance(value, datetime):
        return 4, value
    return 3, str(value)


def project(
    kind: Kind, documents: Iterable[Document], only: Sequence[str] | None
) -> list[Document]:
    """Cut documents to the named fields, join referenced ones, write references as {id: …}."""
    plain, joins = _split(kind, only or [])
    unknown = [name for name in plain if name.lstrip("-").partition(".")[0] not in kind.fields]
    if unknown:
        fail(400, 14, fields=unknown, object=kind.name)
    included = [name for name in plain if not name.startswith("-")] + list(joins)
    excluded = [name.lstrip("-") for name in plain if name.startswith("-")]
    answer = []
    for document in documents:
        cut = _cut(kind, document, included, excluded)
        for name, documents_of in kind.references.items():
            if cut.get(name) is not None:
                cut[name] = _reference(documents_of, cut[name], joins.get(name, []))
        answer.append(cut)
    return answer


def project_plain(
    kind: Kind, documents: Iterable[Document], only: Sequence[str] | None
) -> list[Document]:
    """Cut documents as the calls without joins do: references stay plain ids."""
    names = list(only or [])
    for name in names:
        head, dot, _ = name.lstrip("-").partition(".")
        if head not in kind.fields or (dot and head in kind.references):
            unknown_field(name.lstrip("-").partition(".")[2 if head in kind.fields else 0])
    included = [name for name in names if not name.startswith("-")]
    excluded = [name.lstrip("-") for name in names if name.startswith("-")]
    return [_cut(kind, document, included, excluded) for document in documents]


def _split(kind: Kind, only: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    plain: list[str] = []
    joins: dict[str, list[str]] = {}
    for name in only:
        head, dot, rest = name.partition(".")
        if dot and head in kind.references:
            joins.setdefault(head, []).append(rest)
        else:
            plain.append(name.removesuffix(".*"))
    return [name for name in plain if name not in joins], joins


def _cut(
    kind: Kind, document: Document, included: Sequence[str], excluded: Sequence[str]
) -> Document:
    if not included:
        left_out = kind.hidden.union(excluded)
        return {key: value for key, value in document.items() if key not in left_out}
    cut: Document = {}
    for name in sorted({"id", *included}):
        _copy(document, cut, name.split("."))
    return cut


def _copy(source: Any, target: Document, path: list[str]) -> None:
    head, *rest = path
    if not isinstance(source, Mapping) or head not in source:
        return
    if not rest:
        target[head] = source[head]
        return
    if isinstance(source[head], Mapping):
        inner = target.setdefault(head, {})
        if inner is not source[head]:
            _copy(source[head], inner, rest)


def _reference(documents: Mapping[str, Document], key: str, names: Sequence[str]) -> Document:
    document = documents.get(key)
    if document is None or not names:
        return {"id": key}
    if "*" in names:
        return dict(document)
    cut: Document = {}
    for name in ["id", *names]:
        _copy(document, cut, name.split("."))
    return cut
