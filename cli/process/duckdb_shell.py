"""Starts DuckDB's own shell on a snapshot, for `sql` on a terminal without a statement.

The shell runs commands that it reads at start-up (``.shell …``), and a snapshot may come from an
untrusted source. So it reads text that is generated here, from a folder that only this user can
write to, and nothing from the snapshot's folder but its Parquet files.
"""

import shutil
import signal
import subprocess
import tempfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clearml_snapshot.cli.output.terminal import note
from clearml_snapshot.exporter.errors import DatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.store.disk.disk_errors import reason
from clearml_snapshot.exporter.store.disk.places import refuse_address
from clearml_snapshot.exporter.store.disk.scratch import scratch_in
from clearml_snapshot.exporter.store.engine.file_names import literal
from clearml_snapshot.exporter.store.format.layout import table_at
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.snapshots import Snapshot, hold

if TYPE_CHECKING:
    from clearml_snapshot.queries.aliases.views import AliasedViews


def start_shell(
    data: Path, which: int | datetime | None = None, aliases: Path | None = None
) -> None:
    """Start the installed ``duckdb`` with a view of each table of a snapshot or a pack.

    Unlike ``sql`` with a statement, the shell is not confined: it is the user's own program. Its
    ``-init`` replaces ``~/.duckdbrc``.

    Args:
        data: a dataset, a snapshot folder or a pack.
        which: a snapshot by number or time; the current one by default.
        aliases: a file with new names of metrics.

    Raises:
        UsageError: the shell is not installed, or the aliases cannot be used.
        DatasetError: there is no dataset, or no such snapshot.
        SnapshotError: the text that the shell reads cannot be written.
        Exit: with the exit code of the shell, if it is not 0.
    """
    refuse_address(data)
    snapshot = open_snapshot(data, which)
    program = shutil.which("duckdb")
    if program is None:
        raise UsageError(
            "DuckDB's shell is not installed; install it (see duckdb.org), or give a statement"
        )
    # A child process, so that the snapshot is protected from pruning while the shell runs.
    temporary = Path(tempfile.gettempdir())
    with hold(snapshot), scratch_in(temporary, "clearml-snapshot-shell-") as scratch:
        aliased = None if aliases is None else _aliased(snapshot, aliases)
        init = _write_init(snapshot, scratch, aliased)
        code = _run([program, "-init", str(init)])
    if code:
        raise typer.Exit(code)


def _run(command: list[str]) -> int:
    with subprocess.Popen(command) as shell:
        before = signal.signal(signal.SIGTERM, lambda *_: shell.terminate())
        try:
            while True:
                try:
                    return shell.wait()
                except KeyboardInterrupt:  # the shell handles Ctrl-C: it ends one statement
                    continue
        finally:
            signal.signal(signal.SIGTERM, before)


def _aliased(snapshot: Snapshot, aliases: Path) -> "AliasedViews | None":
    """Find the new names of metrics, and report them."""
    from clearml_snapshot.queries import open_dataset
    from clearml_snapshot.queries.notes.aliases import alias_notes

    with open_dataset(snapshot.root, aliases=aliases) as dataset:
        for text in (
            *(dataset.aliased.renames.unmatched.values() if dataset.aliased else ()),
            *alias_notes(dataset),
        ):
            note(text)
        return dataset.aliased


def _write_init(snapshot: Snapshot, scratch: Path, aliased: "AliasedViews | None") -> Path:
    """Write the views into a file that only this user can write; each file is named explicitly.

    Raises:
        DatasetError: a listed path cannot belong to a snapshot.
        SnapshotError: the temporary folder is not writable.
    """
    from clearml_snapshot.exporter.store.format.shared_views import SCHEMA
    from clearml_snapshot.queries.aliases import STORED
    from clearml_snapshot.queries.session import views_script

    for entry in snapshot.files:
        if table_at(entry.path) is None:
            raise DatasetError(
                f"{snapshot.location}: {entry.path!r} is not a path of a snapshot's file; "
                "run clearml-snapshot verify"
            )
    init = scratch / "views.sql"
    try:
        readable = replace(snapshot, root=_readable(snapshot.root, scratch))
        script = views_script(readable)
        if aliased is not None:
            script = views_script(readable, STORED, aliased.shell_script(SCHEMA))
        init.write_text(script, encoding="utf-8")
    except OSError as error:
        raise SnapshotError(
            f"cannot write {init}: {reason(error)}; set TMPDIR to a writable folder"
        ) from error
    return init


def _readable(root: Path, scratch: Path) -> Path:
    """Return a path to the snapshot that the shell can read whatever its folders are called.

    ``literal`` may name a folder by a descriptor of this process, which the shell does not have.
    """
    file = root / "x"
    if str(root).isprintable() and literal(file) == str(file):
        return root
    link = scratch / "snapshot"
    link.symlink_to(root, target_is_directory=True)
    return link
