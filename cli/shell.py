"""DuckDB's own shell on a snapshot: what `sql` is on a terminal when nothing is asked."""

import shlex
import shutil
import subprocess

import typer

from clearml_snapshot.cli.opening import which
from clearml_snapshot.cli.options import DatasetChoice
from clearml_snapshot.cli.output import write_text
from clearml_snapshot.cli.terminal import note
from clearml_snapshot.exporter.store.layout import OPEN_SQL
from clearml_snapshot.exporter.store.snapshots import hold, open_snapshot


def start_shell(choice: DatasetChoice) -> None:
    """Start the installed ``duckdb`` in the snapshot's folder, or print the line that would.

    Unlike ``sql`` with a statement the shell is not confined: it is the person's own program.

    Raises:
        DatasetError: there is no dataset, or no such snapshot.
        Exit: as the shell ended.
    """
    snapshot = open_snapshot(choice.data, which(choice.snapshot))
    command = ["duckdb", "-init", OPEN_SQL]
    if shutil.which(command[0]) is None:
        note("DuckDB's shell is not installed (see duckdb.org); this would start it:")
        write_text(f"cd {shlex.quote(str(snapshot.root))} && {shlex.join(command)}\n")
        return
    # As a child, not in our place: meanwhile the snapshot is held against being pruned.
    with hold(snapshot), subprocess.Popen(command, cwd=snapshot.root) as shell:
        code = None
        while code is None:
            try:
                code = shell.wait()
            except KeyboardInterrupt:  # Ctrl-C is the shell's: it ends one statement there
                continue
    if code:
        raise typer.Exit(code)
