"""index.html: what a pack is, for somebody with a browser and nothing else.

One file without script, pictures or links that load: it may come from anybody, and names in it are
other people's text. Each of its tables is cut, so that a history of any size gives a small page.
"""

import functools
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from clearml_snapshot.exporter.selection.remembered import remembered
from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.exporter.store.format.layout import TABLE_NAMES
from clearml_snapshot.exporter.store.format.states import MEANINGS, in_words
from clearml_snapshot.exporter.store.pack.provenance import provenance
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.unseen import as_code_point, spelled_out
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.pack.best_values import best
from clearml_snapshot.queries.pack.summary_csv import EXCEL_ROWS

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

BEST: Final = 200
"""Metrics and variants with their best values; those that most tasks have."""

LISTED: Final = 50
"""Rows of every other table."""

_LONGEST: Final = 120
"""Characters of a name, so that hostile ones cannot make the page large."""

_LONGEST_LINK: Final = 500

_LINK: Final = re.compile(r"https?://[!#-;=?-\[\]_a-z~]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the folder."""

    name: str
    rows: int
    files: int
    bytes: int


def write_page(dataset: Dataset, path: Path) -> None:
    """Write a page about the snapshot; the same snapshot gives the same bytes.

    Args:
        dataset: the snapshot; the description of a pack is read from its ``snapshot.json``.
        path: the file; an existing one is replaced.

    Raises:
        DatasetError: ``snapshot.json`` cannot be read.
    """
    path.write_bytes(_template().render(_about(dataset)).encode())


def _about(dataset: Dataset) -> dict[str, Any]:
    """Gather what the template names."""
    snapshot = dataset.snapshot
    packed = provenance(snapshot)
    states = _rows(dataset, "status/states")
    return {
        "snapshot": snapshot,
        "server": _server(snapshot),
        "packed": packed and packed.in_full(),
        "asked": remembered(snapshot.selections)[:LISTED],
        "held": _rows(dataset, "pack/page_totals")[0],
        "states": states,
        "state_meanings": MEANINGS,
        "missing": in_words({row["state"]: row["tasks"] for row in states}),
        "statuses": _rows(dataset, "pack/page_statuses", LISTED),
        "running": _rows(dataset, "pack/page_running", LISTED),
        "problems": _rows(dataset, "pack/page_problems", LISTED),
        "odd": _rows(dataset, "pack/page_odd", LISTED),
        "projects": _rows(dataset, "pack/page_projects", LISTED),
        "best": best(dataset, BEST),
        "tables": _tables(snapshot),
        "excel_rows": EXCEL_ROWS,
    }


def _rows(dataset: Dataset, name: str, top: int | None = None) -> list[dict[str, Any]]:
    cut = None if top is None else {"top": top}
    return dataset.rows(dataset.sql(read(f"{name}.sql"), cut)).as_dicts()


def _server(snapshot: Snapshot) -> dict[str, Any]:
    """Say what is known of the server; ``name`` is its host without what a browser needs."""
    server = {name: snapshot.server.get(name) for name in ("host", "web", "version")}
    server["host"] = server["host"] or "a ClearML server"
    return {**server, "name": str(server["host"]).removeprefix("https://").removeprefix("http://")}


def _tables(snapshot: Snapshot) -> list[Table]:
    rows: Counter[str] = Counter()
    files: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for file in snapshot.files:
        rows[file.table] += file.rows
        files[file.table] += 1
        size[file.table] += file.bytes
    return [Table(name, rows[name], files[name], size[name]) for name in TABLE_NAMES]


@functools.cache
def _template() -> "Template":
    """Compile the page, once: everything is escaped, a name that is not given is an error."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        seen=_seen,
        text=_text,
        number=_number,
        count=_count,
        moment=_moment,
        size=size_in_words,
        link=_link,
    )
    return environment.from_string(read("pack/overview.html"))


def _seen(text: str, longest: int = _LONGEST) -> str:
    """Spell out what is unseen, and cut what is too long."""
    seen = spelled_out(str(text), as_code_point)
    return seen if len(seen) <= longest else seen[: longest - 1] + "…"


def _text(text: str | None, instead: str = "–", longest: int = _LONGEST) -> "Markup":
    """Show other people's text, so that its direction does not change the text around it."""
    from markupsafe import Markup

    if text is None:
        return Markup('<span class="none">{}</span>').format(instead)
    return Markup("<bdi>{}</bdi>").format(_seen(text, longest))


def _number(value: float) -> "Markup":
    """Write a double in 6 digits, with all of them in reach of the pointer."""
    from markupsafe import Markup

    short, exact = f"{value:,.6g}", repr(value)
    return Markup('<data value="{0}" title="{0}">{1}</data>').format(exact, short)


def _count(number: int, singular: str = "", plural: str = "") -> str:
    """Write a whole number, and what it counts."""
    noun = singular if number == 1 else plural or f"{singular}s" if singular else ""
    return f"{number:,} {noun}".rstrip()


def _moment(moment: datetime | str | None) -> "Markup":
    """Write a time; outside of the years 1 to 9999 DuckDB gives it as text."""
    from markupsafe import Markup

    if not isinstance(moment, datetime):
        return _text(moment, "unknown")
    moment = moment.astimezone(UTC)
    return Markup('<time datetime="{:%Y-%m-%dT%H:%M:%SZ}">{:%Y-%m-%d %H:%M} UTC</time>').format(
        moment, moment
    )


def _link(url: str | None) -> str | None:
    """Give an address that a click may open: only the web, and no name and password in it."""
    if not url or len(url) > _LONGEST_LINK or not _LINK.fullmatch(url):
        return None
    try:
        host = urlsplit(url)
    except ValueError:
        return None
    return url if host.netloc and "@" not in host.netloc else None
