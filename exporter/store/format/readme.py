"""Generates README.md and open.sql for a snapshot."""

from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from string import Template
from textwrap import fill
from typing import Any, Final

import pyarrow as pa

from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.schema import ABOUT, TABLES
from clearml_snapshot.exporter.store.format.shared_views import SCHEMA, outside_views
from clearml_snapshot.exporter.store.format.states import MEANINGS, in_words

_OPEN_SQL: Final = """\
-- Views over this snapshot; start DuckDB inside this folder:  duckdb -init open.sql
SET TimeZone = 'UTC';

-- The tables as they are stored.
CREATE SCHEMA IF NOT EXISTS {schema};
"""

_VIEW: Final = """\
-- {about}
CREATE OR REPLACE VIEW {schema}.{table} AS
SELECT *
FROM read_parquet('{glob}'{options});
"""

_SHARED: Final = """\
-- The views for questions: the tables, with the names of task and project beside each point; params
-- and best.
"""

_TEXTS: Final = {
    layout.OPEN_SQL: "views for DuckDB",
    layout.DATAPACKAGE: "the same description for programs, as a Data Package of version 2",
    layout.SNAPSHOT_JSON: "the same for clearml-snapshot, and which selections were exported",
    layout.SHA256SUMS: "the hash of every other file",
}
_PAGES: Final = {
    layout.INDEX_HTML: "an overview for any browser",
    layout.SUMMARY_CSV: "one row per task, metric and variant with its names and the "
    "hyperparameters that vary, for spreadsheets",
}
"""What only a pack has."""

_REPORT: Final = {
    layout.REPORT_HTML: "a leaderboard, curves and hyperparameters to look through in a browser"
}
"""What a pack has if that was asked for."""


def open_sql() -> str:
    """Return SQL for a DuckDB that is started inside the folder.

    It has the views that ``clearml-snapshot sql`` has too.
    """
    views = [_view(table) for table in TABLES]
    return "\n".join([_OPEN_SQL.format(schema=SCHEMA), *views, _SHARED, outside_views()])


def _view(table: str) -> str:
    glob, options = f"{table}/*.parquet", ""
    if table == "scalars":
        glob = "scalars/*/*.parquet"
        options = ", hive_partitioning = true, hive_types_autocast = false"
    return _VIEW.format(about=ABOUT[table], schema=SCHEMA, table=table, glob=glob, options=options)


def readme(header: Mapping[str, Any]) -> str:
    """Return a snapshot's README; ``header`` is its ``snapshot.json`` without the files.

    The same header gives the same text, so that the same contents have the same content id.
    """
    totals = {name: f"{count:,}" for name, count in header["totals"].items()}
    totals["bytes"] = size_in_words(header["totals"]["bytes"])
    texts = {
        "server": source(header),
        "tool_version": _plain(header["tool_version"]),
        "as_of": as_of(header),
        "state": _checkpoint(header),
        "incomplete": _incomplete(header),
        "states": "\n".join(f"| {state} | {meaning} |" for state, meaning in MEANINGS.items()),
        "packed": _packed(header),
        "contents": _contents(header),
        "tables": tables(),
    }
    template = files(__package__).joinpath("readme.md").read_text(encoding="utf-8")
    return Template(template).substitute(totals, **texts, **_citation(header))


def source(header: Mapping[str, Any]) -> str:
    """Name the server that a snapshot was taken from, as far as it may be named."""
    address = host(header)
    return f"the ClearML server {address}" if address else "a ClearML server"


def host(header: Mapping[str, Any]) -> str:
    """Return the server's address; empty when it is not known or was redacted."""
    server = header["server"]
    return _plain(server.get("host") or server.get("id") or "")


def as_of(header: Mapping[str, Any]) -> str:
    """Return the time of a snapshot's contents, to the minute."""
    return f"{datetime.fromisoformat(header['created_at']):%Y-%m-%d %H:%M} UTC"


def _checkpoint(header: Mapping[str, Any]) -> str:
    if not header["checkpoint"]:
        return ""
    return (
        "\n\n**The export had not ended** when this was written: more tasks were still to be read."
    )


def _incomplete(header: Mapping[str, Any]) -> str:
    words = in_words(header["states"])
    return f"\n\n**Incomplete.** Of the tasks, {words}; see `state` below." if words else ""


def _packed(header: Mapping[str, Any]) -> str:
    """Describe what was selected for a pack and what was redacted; empty for other folders."""
    packed = header.get("packed")
    if packed is None:
        return ""
    lines = ["", "## What was selected, and what was redacted", ""]
    for what, key in (("Tasks", "selection"), ("Metrics", "metrics")):
        chosen = _code(packed.get(key) or "all")
        lines.append(f"- {what}: {f'`{chosen}`' if chosen != 'all' else 'all'}")
    taken_out = [_plain(line) for line in packed.get("taken_out", ())]
    lines += ["- Redacted:", *(f"  - {line}" for line in taken_out)] if taken_out else [_NOTHING]
    return "\n".join([*lines, ""])


_NOTHING: Final = "- Redacted: nothing"


def _is_part(header: Mapping[str, Any]) -> bool:
    """Return whether some tasks or metrics of the snapshot are not included."""
    packed = header.get("packed") or {}
    return any(packed.get(key) not in (None, "", "all") for key in ("selection", "metrics"))


def _contents(header: Mapping[str, Any]) -> str:
    """List the contents of the folder as rows of a Markdown table."""
    packed = header.get("packed") or {}
    beside = (_PAGES if "packed" in header else {}) | _TEXTS
    if packed.get("report") is True:
        beside = _PAGES | _REPORT | _TEXTS
    rows = [(f"`{table}/`", about) for table, about in ABOUT.items()]
    rows += [(f"`{name}`", about) for name, about in beside.items()]
    return "".join(f"| {name} | {about} |\n" for name, about in rows)


def _citation(header: Mapping[str, Any]) -> dict[str, str]:
    created = datetime.fromisoformat(header["created_at"])
    number, tool = header["number"], _plain(header["tool_version"])
    address = host(header)
    snapshot = "Part of snapshot" if _is_part(header) else "Snapshot"
    published = f"{snapshot} {number} of {source(header)}, taken with clearml-snapshot {tool}"
    note = "Content id (sha256 of SHA256SUMS): PUT IT HERE"
    return {
        "key": f"clearml-snapshot-{number}-{created:%Y%m%d}",
        "year": f"{created:%Y}",
        "howpublished": published.replace(address, f"\\url{{{address}}}") if address else published,
        "note": note,
        "citation": fill(
            f"Scalars of ClearML experiments, as of {as_of(header)}. {published}. {note}.",
            width=100,
            initial_indent="> ",
            subsequent_indent="> ",
            break_long_words=False,
            break_on_hyphens=False,
        ),
    }


def _plain(text: object) -> str:
    """Keep an external text on one line, without characters special to Markdown and BibTeX."""
    return _without("`{}\\<>|", text)


def _code(text: object) -> str:
    """Keep a text for backticks on one line; regular expressions stay unchanged."""
    return _without("`<>", text)


def _without(special: str, text: object) -> str:
    return " ".join("".join("" if c in special else c for c in str(text)).split())


def tables() -> str:
    """Return every table with its columns as Markdown."""
    return "\n".join(
        f"### {table}\n\n{ABOUT[table].capitalize()}.\n\n{columns(schema)}"
        for table, schema in TABLES.items()
    )


def columns(schema: pa.Schema) -> str:
    """Return a Markdown table of a schema's columns."""
    lines = ["| column | type | unit | |", "|---|---|---|---|"]
    for field in schema:
        kind = "list of string" if pa.types.is_list(field.type) else str(field.type)
        needed = "" if field.nullable else " NOT NULL"
        lines.append(f"| `{field.name}` | {kind}{needed} | {unit(field)} | {doc(field)} |")
    return "\n".join(lines) + "\n"


def doc(field: "pa.Field[Any]") -> str:
    """Return the description of a column."""
    return _metadata(field, b"doc")


def unit(field: "pa.Field[Any]") -> str:
    """Return the unit of a column's numbers or times; empty when it has none."""
    return _metadata(field, b"unit")


def _metadata(field: "pa.Field[Any]", key: bytes) -> str:
    return (field.metadata or {}).get(key, b"").decode()
