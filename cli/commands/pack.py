"""`pack` and `unpack`: a snapshot leaves as one file, and comes out of it again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from clearml_snapshot.cli.options.options import (
    OUTPUT,
    Dataset,
    Filters,
    MetricOptions,
    Metrics,
    Quiet,
)
from clearml_snapshot.cli.options.query_limits import LimitOptions, make_pages, opened
from clearml_snapshot.cli.options.sharing import ShareNew
from clearml_snapshot.cli.output.stdout import refuse_stdout, write_text
from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.cli.process.interrupt import Interruptible
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.names import no_such
from clearml_snapshot.exporter.store.disk.files import size_in_words
from clearml_snapshot.exporter.store.format.states import in_words

if TYPE_CHECKING:
    from clearml_snapshot.queries.pack.contents import PackOptions
    from clearml_snapshot.queries.pack.pack import Packed

PANEL: Final = "Hand over"
TAKEN_OUT: Final = "What does not travel"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    add_command(app, "pack", pack, panel=PANEL)
    add_command(app, "unpack", unpack, panel=PANEL)


def pack(
    target: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            rich_help_panel=OUTPUT,
            help="NAME.zip, which is replaced, or a folder that is new or empty.",
        ),
    ],
    *,
    dataset: Dataset,
    filters: Filters,
    metrics: Metrics,
    redact: Annotated[
        list[str] | None,
        typer.Option(
            "--redact",
            metavar="WHAT",
            rich_help_panel=TAKEN_OUT,
            help="Take out secrets, users, hosts, params, repos or comments; several with commas.",
        ),
    ] = None,
    keep_secrets: Annotated[
        bool,
        typer.Option(
            "--keep-secrets",
            rich_help_panel=TAKEN_OUT,
            help="Let through what looks like a credential.",
        ),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Pack a snapshot, or a part of it, for a colleague: one .zip or a folder.

    It opens in a browser (index.html), a spreadsheet (summary.csv), with anything that reads
    Parquet, and with this tool. The same contents give the same bytes, named by the content id.
    Names and values are searched for credentials once more.
    """
    from clearml_snapshot.cli.output.progress import make_progress
    from clearml_snapshot.queries.pack.pack import pack as pack_it

    refuse_stdout(target)
    options = _options(metrics, redact or (), keep_secrets)
    with opened(dataset, filters, LimitOptions()) as asked:
        packed = pack_it(asked, target, options, filters, make_progress(quiet=quiet))
    write_text(_told(packed))
    for line in () if quiet else packed.taken_out:
        note(f"taken out: {line}")
    missing = in_words(packed.states)
    if missing:
        note(f"warning: not complete: of {counted(packed.tasks, 'task')} {missing}")


def unpack(
    pack: Annotated[Path, typer.Argument(help="What `pack` wrote, or any .zip of a snapshot.")],
    target: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            rich_help_panel=OUTPUT,
            help="A folder that is new or empty.",
        ),
    ],
    share: ShareNew = None,
    quiet: Quiet = False,
) -> None:
    """Turn a pack into a snapshot folder, and prove every file of it on the way.

    What is not exactly a snapshot is refused, and so is a text that this version would have written
    otherwise. Nothing is written but the folder.
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

    wanted: list[str] = []
    for text in redact:
        words = [word.strip() for word in text.split(",")]
        if not all(words):  # an empty variable of a script must not let everything through
            raise UsageError(f"--redact {text!r} takes nothing out; give {', '.join(CATEGORIES)}")
        wanted += words
    for word in wanted:
        if word not in CATEGORIES:
            raise no_such("--redact", word, CATEGORIES)
    if keep_secrets and SECRETS in wanted:
        raise UsageError("--redact secrets and --keep-secrets say opposite things; give one")
    return PackOptions(
        metrics.metrics, metrics.variants, metrics.excluded, frozenset(wanted), keep_secrets
    )


def _told(packed: "Packed") -> str:
    """Tell what was packed, and its content id in a form that `verify` repeats."""
    return (
        f"{printable(str(packed.path))}: {size_in_words(packed.bytes)}, "
        f"{counted(packed.tasks, 'task')}, {packed.series:,} series, "
        f"{counted(packed.points, 'point')}\n"
        f"content id: {packed.content_id}\n"
    )
