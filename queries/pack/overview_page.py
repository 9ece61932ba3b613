"""Writes index.html, which shows what a pack contains and needs only a browser.

It is one file without scripts, images or external resources, because a pack may come from anyone
and the names in it are other people's text. Each table is cut, so that the page is small for any
history.
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
"""Maximum number of metrics and variants; those that most tasks have are shown."""

LISTED: Final = 50
"""Maximum number of rows of every other table."""

_LONGEST: Final = 120
"""Maximum length of a name, so that hostile names cannot make the page large."""

_LONGEST_LINK: Final = 500

_LINK: Final = re.compile(r"https?://[!#-;=?-\[\]_a-z~]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the snapshot."""

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
    """Collect the values for the template."""
    snapshot = dataset.snapshot
    packed = provenance(snapshot)
    states = _rows(dataset, "status/states")
    return {
        "snapshot": snapshot,
        "server": _server(snapshot),
        "packed": packed and packed.in_full(),
        "selections": remembered(snapshot.selections)[:LISTED],
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
    """Describe the server; ``name`` is its host without ``https://``."""
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
    """Compile the template once; everything is escaped, and a missing name is an error."""
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
    """Spell out invisible characters, and shorten a text that is too long."""
    seen = spelled_out(str(text), as_code_point)
    return seen if len(seen) <= longest else seen[: longest - 1] + "…"


def _text(text: str | None, instead: str = "–", longest: int = _LONGEST) -> "Markup":
    """Show other people's text so that its direction does not affect the text around it."""
    from markupsafe import Markup

    if text is None:
        return Markup('<span class="none">{}</span>').format(instead)
    return Markup("<bdi>{}</bdi>").format(_seen(text, longest))


def _number(value: float) -> "Markup":
    """Write a double in 6 digits, with all digits in the tooltip."""
    from markupsafe import Markup

    short, exact = f"{value:,.6g}", repr(value)
    return Markup('<data value="{0}" title="{0}">{1}</data>').format(exact, short)


def _count(number: int, singular: str = "", plural: str = "") -> str:
    """Write a number with its unit."""
    noun = singular if number == 1 else plural or f"{singular}s" if singular else ""
    return f"{number:,} {noun}".rstrip()


def _moment(moment: datetime | str | None) -> "Markup":
    """Write a time; outside the years 1 to 9999 DuckDB returns it as text."""
    from markupsafe import Markup

    if not isinstance(moment, datetime):
        return _text(moment, "unknown")
    moment = moment.astimezone(UTC)
    return Markup('<time datetime="{:%Y-%m-%dT%H:%M:%SZ}">{:%Y-%m-%d %H:%M} UTC</time>').format(
        moment, moment
    )


def _link(url: str | None) -> str | None:
    """Return an address that is safe to open: http or https, without user and password."""
    if not url or len(url) > _LONGEST_LINK or not _LINK.fullmatch(url):
        return None
    try:
        host = urlsplit(url)
    except ValueError:
        return None
    return url if host.netloc and "@" not in host.netloc else None
