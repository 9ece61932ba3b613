"""The options that choose a dataset and one of its snapshots."""

import os
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from clearml_snapshot.cli.options.groups import OptionGroup, option
from clearml_snapshot.cli.options.sections import DATASET
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.times import parse_time
from clearml_snapshot.exporter.store.objects.address import as_typed

DATA_VARIABLE: Final = "CLEARML_SNAPSHOT_DATA"

Data = Annotated[
    Path,
    option(
        "--data",
        section=DATASET,
        metavar="DIR",
        envvar=DATA_VARIABLE,
        help="Folder of the dataset, or its address in a bucket: s3://BUCKET/PREFIX, gs:// or "
        "az://. Commands that read also accept a snapshot folder, a pack or https://HOST/PATH.",
    ),
]
"""The dataset's folder, for every command; its default is ``DEFAULT_DATA``."""

DEFAULT_DATA: Final = Path("data")


@dataclass(frozen=True)
class DatasetChoice:
    """Which dataset to read, and which of its snapshots."""

    data: Path
    """A dataset, one snapshot folder or a pack."""
    snapshot: str | None
    """None: the current one."""


def dataset_choice(
    data: Data = DEFAULT_DATA,
    snapshot: Annotated[
        str | None,
        option(
            "--snapshot",
            section=DATASET,
            metavar="WHICH",
            help="A number, a date, or -1 for the previous one.",
            show_default="the current one",
        ),
    ] = None,
) -> DatasetChoice:
    """Collect which snapshot to read."""
    return DatasetChoice(data, snapshot)


Dataset = Annotated[DatasetChoice, OptionGroup(dataset_choice)]
"""For commands that read; ``--data`` also accepts one snapshot folder or a pack."""


At = Annotated[
    Path | None,
    typer.Argument(
        metavar="DATASET",
        help="A dataset, one snapshot or a pack.",
        show_default="that of --data",
    ),
]
"""A dataset as an argument, instead of ``--data``."""


def chosen(choice: DatasetChoice, path: Path | None) -> DatasetChoice:
    """Return the choice with the dataset that was given as an argument, if one was.

    Raises:
        UsageError: ``--data`` names another one.
    """
    if path is None:
        return choice
    usual = {DEFAULT_DATA, Path(os.environ.get(DATA_VARIABLE) or DEFAULT_DATA)}
    if choice.data not in usual and choice.data != path:
        raise UsageError(
            f"two datasets are given: {as_typed(path)} and --data {as_typed(choice.data)}; use "
            "one of them"
        )
    return replace(choice, data=path)


def parse_snapshot_ref(snapshot: str | None) -> int | datetime | None:
    """Parse a snapshot reference: a number, or a time.

    Raises:
        UsageError: it is neither.
    """
    if snapshot is None:
        return None
    if re.fullmatch(r"-?\d+", snapshot):
        return int(snapshot)
    return parse_time(snapshot, datetime.now(UTC))
