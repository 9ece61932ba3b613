"""The `--share` option: who may read a dataset, for commands that create one."""

from typing import Annotated, Any, Literal

import typer

from clearml_snapshot.cli.options.sections import OUTPUT, STORED


def _option(section: str, more: str, default: str) -> Any:
    return typer.Option(
        "--share",
        metavar="WHO",
        rich_help_panel=section,
        help=f"Who may read the dataset: owner, or also the group of its folder{more}.",
        show_default=default,
    )


Share = Annotated[
    Literal["owner", "group"] | None,
    _option(STORED, ", now and later", "unchanged; owner for a new dataset"),
]
"""For a dataset that may exist already; None leaves it unchanged."""

ShareNew = Annotated[Literal["owner", "group"] | None, _option(OUTPUT, "", "owner")]
"""For a new folder."""
