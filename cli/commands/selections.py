"""The `selections` command."""

from typing import Annotated, Literal

import typer

from clearml_snapshot.cli.options.dataset import Dataset, DatasetChoice
from clearml_snapshot.cli.options.output import Output
from clearml_snapshot.cli.options.query_limits import LimitOptions, open_for_query
from clearml_snapshot.cli.options.sections import DATASET, MAINTAIN
from clearml_snapshot.cli.output.destination import OutputOptions
from clearml_snapshot.cli.output.stdout import write_answer
from clearml_snapshot.cli.output.terminal import note
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "selections", selections, panel=MAINTAIN)


def selections(
    action: Annotated[
        Literal["remove"] | None,
        typer.Argument(help="'remove' removes the selection with that number."),
    ] = None,
    number: Annotated[
        int | None, typer.Argument(help="Its number in the list.", show_default=False)
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", rich_help_panel=DATASET, help="With remove: wait for a running export."
        ),
    ] = False,
    *,
    dataset: Dataset,
    output: Output,
) -> None:
    """List the selections that an export without a filter repeats, or remove one.

    A selection is shown as the options of `export` that select the same tasks. The tasks of a
    removed selection are kept; the next export marks them as no longer selected.
    """
    if action is None:
        _write_selections(dataset, output)
        return
    if number is None:
        raise UsageError("remove needs the number of a selection; see clearml-snapshot selections")
    if dataset.snapshot is not None:
        raise UsageError("remove changes the current snapshot; omit --snapshot")
    from clearml_snapshot.exporter.sync.planning.forget_selection import forget_selection

    removed = forget_selection(dataset.data, number, wait=wait)
    if not output.quiet:
        note(f"removed: {removed.selection}")
        note("its tasks are kept; the next export marks those that no other selection matches")


def _write_selections(choice: DatasetChoice, output: OutputOptions) -> None:
    from clearml_snapshot.exporter.selection.remembered import remembered
    from clearml_snapshot.queries.ask.header import read

    with open_for_query(choice, None, LimitOptions()) as snapshot:
        listed = remembered(snapshot.snapshot.selections)
        columns = {
            name: [getattr(selection, name) for selection in listed]
            for name in ("number", "selection", "matched", "metrics")
        }
        answer = snapshot.sql(read("status/selections.sql"), columns)
        write_answer(snapshot.result(answer), output, name="selections")
    if not listed and not output.quiet:
        note("no selection is remembered; an export with a filter, or --all, adds one")
