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

import typer

from clearml_snapshot.exporter.errors import DatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.store.disk.scratch import scratch_in
from clearml_snapshot.exporter.store.engine.file_names import literal
from clearml_snapshot.exporter.store.format.layout import table_at
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.snapshots import Snapshot, hold


def start_shell(data: Path, which: int | datetime | None = None) -> None:
    """Start the installed ``duckdb`` with a view of each table of a snapshot or a pack.

    Unlike ``sql`` with a statement the shell is not confined: it is the person's own program. Its
    ``-init`` takes the place of ``~/.duckdbrc``, which is that person's file.

    Args:
        data: a dataset, a snapshot folder or a pack.
        which: a snapshot by number or time; the current one by default.

    Raises:
        UsageError: the shell is not installed.
        DatasetError: there is no dataset, or no such snapshot.
        SnapshotError: there is no place for the text that the shell reads.
        Exit: as the shell ended.
    """
    snapshot = open_snapshot(data, which)
    program = shutil.which("duckdb")
    if program is None:
        raise UsageError(
            "DuckDB's shell is not installed; install it (see duckdb.org), or give a statement"
        )
    # As a child, not in our place: meanwhile the snapshot is held against being pruned.
    place = Path(tempfile.gettempdir())
    with hold(snapshot), scratch_in(place, "clearml-snapshot-shell-") as scratch:
        init = _write_init(snapshot, scratch)
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
                except KeyboardInterrupt:  # Ctrl-C is the shell's: it ends one statement there
                    continue
        finally:
            signal.signal(signal.SIGTERM, before)


def _write_init(snapshot: Snapshot, scratch: Path) -> Path:
    """Write the views into a file of this user's own; the files of a snapshot are named one by one.

    Raises:
        DatasetError: a file is listed in a place where no snapshot has one.
        SnapshotError: the temporary folder takes no file.
    """
    from clearml_snapshot.queries.session import views_script

    for entry in snapshot.files:
        if table_at(entry.path) is None:
            raise DatasetError(
                f"{snapshot.place}: {entry.path!r} is not a place for a file of a snapshot; "
                "run clearml-snapshot verify"
            )
    init = scratch / "views.sql"
    try:
        readable = replace(snapshot, root=_readable(snapshot.root, scratch))
        init.write_text(views_script(readable), encoding="utf-8")
    except OSError as error:
        raise SnapshotError(
            f"cannot write {init}: {error.strerror}; set TMPDIR to a folder that takes files"
        ) from error
    return init


def _readable(root: Path, scratch: Path) -> Path:
    """Give a path to the snapshot that the shell takes as it is, whatever its folders are called.

    ``literal`` names a folder by a descriptor of this process, which the shell does not have.
    """
    file = root / "x"
    if str(root).isprintable() and literal(file) == str(file):
        return root
    link = scratch / "snapshot"
    link.symlink_to(root, target_is_directory=True)
    return link
