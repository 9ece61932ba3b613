"""The option that says who may read a dataset, for the commands that make one."""

from typing import Annotated, Any, Literal

import typer

from clearml_snapshot.cli.options.sections import OUTPUT, STORED


def _option(section: str, more: str, default: str) -> Any:
    return typer.Option(
        "--share",
        metavar="WHO",
        rich_help_panel=section,
        help=f"Who may read the dataset: only its owner, or also the group of its folder{more}.",
        show_default=default,
    )


Share = Annotated[
    Literal["owner", "group"] | None,
    _option(STORED, ", now and later", "what it is; a new one: owner"),
]
"""Of a dataset that may be there already; None leaves that as it is."""

ShareNew = Annotated[Literal["owner", "group"] | None, _option(OUTPUT, "", "owner")]
"""Of a folder that is made."""
