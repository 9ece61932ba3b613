"""The `copy` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearml_snapshot.cli.options.output import Quiet
from clearml_snapshot.cli.options.query_limits import make_pages
from clearml_snapshot.cli.options.sections import OUTPUT, SHARE
from clearml_snapshot.cli.options.sharing import ShareNew
from clearml_snapshot.cli.output.stdout import refuse_stdout, write_text
from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.cli.process.interrupt import Interruptible
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.exporter.store.objects.address import is_address

if TYPE_CHECKING:
    from clearml_snapshot.exporter.store.copying.report import CopyReport

_Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A dataset, a snapshot folder, a pack, or an address: s3://, gs:// or "
        "az://BUCKET/PREFIX, or https://HOST/PATH.",
        show_default=False,
    ),
]
_Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="An address of a bucket, NAME.zip, or a folder: new, empty, or a dataset of the same "
        "history.",
        show_default=False,
    ),
]
_Snapshots = Annotated[
    int | None,
    typer.Option(
        "--snapshots",
        metavar="N",
        min=1,
        rich_help_panel=OUTPUT,
        help="Keep only the newest N snapshots in the target.",
        show_default="all",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "copy", copy, panel=SHARE)


def copy(
    source: _Source,
    target: _Target,
    snapshots: _Snapshots = None,
    share: ShareNew = None,
    quiet: Quiet = False,
) -> None:
    """Copy a dataset between folders, packs and buckets (S3, Google Cloud Storage, Azure).

    Copies snapshots that are newer than those of the target, byte for byte, and only files that
    are missing there; each hash is compared. A copy that was interrupted continues where it ended.
    Readers of the target see the state before or the one after. A NAME.zip gets the current
    snapshot. Credentials of a bucket are taken from the environment and the files of the cloud's
    own tools; AWS_ENDPOINT_URL names another server, such as MinIO. A web server is only read:
    https://HOST/PATH is a folder or a bucket that it publishes.
    """
    from clearml_snapshot.cli.output.progress import make_progress
    from clearml_snapshot.exporter.store.copying.copy import copy as copy_dataset

    if not is_address(target):
        refuse_stdout(Path(target))
    with Interruptible():
        report = copy_dataset(
            source,
            target,
            snapshots=snapshots,
            share=share,
            progress=make_progress(quiet=quiet),
            make_pages=make_pages,
        )
    _write(report, quiet=quiet)


def _write(report: "CopyReport", *, quiet: bool) -> None:
    """Describe the target on stdout, and what was done for it on stderr."""
    write_text(
        f"{printable(report.target)}: snapshot {report.number}, "
        f"{counted(report.snapshots, 'snapshot')} in all\n"
        f"content id: {report.content_id}\n"
    )
    for text in report.unproven:
        note(f"warning: not proven: {text}")
    if quiet:
        return
    if not report.added and not report.removed:
        note("nothing to copy: the target has every snapshot of the source")
        return
    done = f"{counted(len(report.added), 'snapshot')} added"
    if report.removed:
        done += f", {counted(len(report.removed), 'snapshot')} removed"
    note(
        f"{done}; {counted(report.files, 'file')} ({size_in_words(report.bytes)}) copied, "
        f"{report.present:,} already there"
    )
