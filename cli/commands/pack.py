"""The `pack` and `unpack` commands."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearml_snapshot.cli.options.dataset import Dataset
from clearml_snapshot.cli.options.metrics import MetricOptions, Metrics
from clearml_snapshot.cli.options.output import Json, Quiet
from clearml_snapshot.cli.options.query_limits import LimitOptions, make_pages, open_for_query
from clearml_snapshot.cli.options.sections import OUTPUT, REDACTION, SHARE
from clearml_snapshot.cli.options.sharing import ShareNew
from clearml_snapshot.cli.options.tasks import Filters
from clearml_snapshot.cli.output.stdout import refuse_stdout, write_text
from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.cli.process.interrupt import Interruptible
from clearml_snapshot.cli.text.outcome import write_outcome
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.errors import ExitCode, UsageError
from clearml_snapshot.exporter.selection.names import no_such
from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.exporter.store.format.states import in_words, incomplete
from clearml_snapshot.exporter.store.objects.address import as_typed, is_address

if TYPE_CHECKING:
    from clearml_snapshot.queries.pack.contents import PackOptions
    from clearml_snapshot.queries.pack.pack import Packed

_Target = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        rich_help_panel=OUTPUT,
        help="NAME.zip, which is replaced if it exists; or a folder or an address (s3://, gs:// or "
        "az://BUCKET/PREFIX): new, empty, or an earlier pack, which is replaced.",
    ),
]
_Redact = Annotated[
    list[str] | None,
    typer.Option(
        "--redact",
        metavar="WHAT",
        rich_help_panel=REDACTION,
        help="Remove secrets, users, hosts, params, repos or comments; separate several with "
        "commas.",
    ),
]
_KeepSecrets = Annotated[
    bool,
    typer.Option(
        "--keep-secrets",
        rich_help_panel=REDACTION,
        help="Keep values that look like credentials.",
    ),
]
_Report = Annotated[
    bool,
    typer.Option(
        "--report",
        rich_help_panel=OUTPUT,
        help="Add report.html: a leaderboard and curves for any browser, as `report` writes them, "
        "of at most 2,000 tasks and 20,000 series (the newest).",
    ),
]
_Pack = Annotated[Path, typer.Argument(help="A pack written by `pack`, or any .zip of a snapshot.")]
_Folder = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="DIR", rich_help_panel=OUTPUT, help="A new or empty folder."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    add_command(app, "pack", pack, panel=SHARE, logs=True)
    add_command(app, "unpack", unpack, panel=SHARE)


def pack(
    target: _Target,
    *,
    dataset: Dataset,
    filters: Filters,
    metrics: Metrics,
    redact: _Redact = None,
    keep_secrets: _KeepSecrets = False,
    report: _Report = False,
    form: Json = None,
    quiet: Quiet = False,
) -> None:
    """Pack a snapshot, or a part of it, into one .zip or folder to share.

    It opens in a browser (index.html), in a spreadsheet (summary.csv), in any program that reads
    Parquet, and in clearml-snapshot. The same contents give the same bytes, which the content id
    identifies. Names and values are searched for credentials again. Metrics have their stored
    names; whoever queries the pack can use --aliases.
    """
    from clearml_snapshot.cli.output.progress import make_progress
    from clearml_snapshot.queries.notes.conditions import condition_notes
    from clearml_snapshot.queries.pack.pack import pack as pack_it

    if not is_address(target):
        refuse_stdout(target)
    options = replace(_options(metrics, redact or (), keep_secrets), report=report)
    with open_for_query(dataset, filters, LimitOptions()) as opened:
        resolved, notes = opened.filter, [*condition_notes(opened)]
        left_out = None if quiet else opened.left_out()
        packed = pack_it(opened, target, options, filters, make_progress(quiet=quiet))
    if left_out is not None:
        notes.append(left_out)
    if resolved is not None and resolved.cut_offs and not quiet:
        notes.append(f"only tasks {', '.join(resolved.cut_offs)}")
    if packed.report is not None:
        notes.append(f"warning: report.html has only {packed.report}; the others do not fit a page")
    _report(packed, notes, form, quiet=quiet)


def _report(packed: "Packed", notes: "list[str]", form: str | None, *, quiet: bool) -> None:
    if form is None:
        write_text(_described(packed))
    for line in notes:
        note(line)
    for line in () if quiet else packed.taken_out:
        note(f"omitted: {line}")
    missing = in_words(packed.states)
    if missing:
        note(f"warning: not complete: of {counted(packed.tasks, 'task')} {missing}")
    if form == "json":
        facts = _facts(packed, notes)
        write_outcome("pack", ExitCode.COMPLETE, facts, missing=incomplete(packed.states))


def unpack(
    pack: _Pack,
    target: _Folder,
    share: ShareNew = None,
    quiet: Quiet = False,
) -> None:
    """Extract a pack into a snapshot folder, and verify each of its files.

    Refuses a pack that contains anything but a snapshot, and a text that differs from what this
    version generates. Nothing is written outside the folder.
    """
    from clearml_snapshot.cli.output.progress import make_progress
    from clearml_snapshot.exporter.store.pack.unpack import unpack as unpack_it

    refuse_stdout(target)
    progress = make_progress(quiet=quiet)
    with Interruptible():
        unpacked = unpack_it(pack, target, progress, share=share, make_pages=make_pages)
    totals = unpacked.snapshot.totals
    write_text(
        f"{printable(str(target))}: {counted(totals.tasks, 'task')}, {totals.series:,} series, "
        f"{counted(totals.points, 'point')}\n"
    )
    for text in unpacked.unproven:
        note(f"warning: not proven: {text}")


def _options(
    metrics: MetricOptions, redact: "list[str] | tuple[str, ...]", keep_secrets: bool
) -> "PackOptions":
    from clearml_snapshot.queries.pack.contents import PackOptions
    from clearml_snapshot.queries.pack.redaction import CATEGORIES, SECRETS

    categories: list[str] = []
    for text in redact:
        words = [word.strip() for word in text.split(",")]
        if not all(words):  # an empty variable in a script must not disable redaction
            raise UsageError(
                f"--redact {text!r} contains an empty category; choose from {', '.join(CATEGORIES)}"
            )
        categories += words
    for word in categories:
        if word not in CATEGORIES:
            raise no_such("--redact", word, CATEGORIES)
    if keep_secrets and SECRETS in categories:
        raise UsageError("--redact secrets and --keep-secrets cannot be combined")
    return PackOptions(
        metrics.metrics, metrics.variants, metrics.excluded, frozenset(categories), keep_secrets
    )


def _facts(packed: "Packed", notes: "list[str]") -> dict[str, Any]:
    """Return what was packed as JSON types."""
    return {
        "path": as_typed(packed.path),
        "bytes": packed.bytes,
        "tasks": packed.tasks,
        "series": packed.series,
        "points": packed.points,
        "content_id": packed.content_id,
        "omitted": packed.taken_out,
        "notes": notes,
    }


def _described(packed: "Packed") -> str:
    """Describe what was packed, with the content id that `verify` prints too."""
    return (
        f"{printable(as_typed(packed.path))}: {size_in_words(packed.bytes)}, "
        f"{counted(packed.tasks, 'task')}, {packed.series:,} series, "
        f"{counted(packed.points, 'point')}\n"
        f"content id: {packed.content_id}\n"
    )
