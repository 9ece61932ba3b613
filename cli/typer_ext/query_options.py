"""The argument and the options of a query, from the parameters that its header declares."""

import inspect
import re
from collections.abc import Collection
from typing import Annotated, Any, Final, Literal

import typer

from clearml_snapshot.queries.ask.header import Param, Query
from clearml_snapshot.queries.ask.parameters import choices_of, is_partner, names_tasks

_CHOICES: Final = re.compile(r"^\w+(?:\|\w+)+: ")
_DEFAULT: Final = re.compile(r"\s*\(default: ([^)]*)\)")
_TYPES: Final[dict[str, type]] = {
    "BIGINT": int,
    "INTEGER": int,
    "DOUBLE": float,
    "BOOLEAN": bool,
}


def parameters_of(
    query: Query, *, shared: Collection[str], section: str
) -> list[inspect.Parameter]:
    """Build what Typer reads for each parameter of a query.

    Args:
        query: the query.
        shared: the names of parameters that the options of every query fill in.
        section: the title in help above the options.
    """
    return [
        _argument(param) if names_tasks(param) else _option(param, section)
        for param in query.params
        if param.name not in shared and not is_partner(query, param)
    ]


def _argument(param: Param) -> inspect.Parameter:
    """Build the positional argument: the tasks."""
    more = " @FILE or - (stdin) reads many, as --task does, which can be used instead."
    argument = typer.Argument(help=param.text + more, show_default=False, metavar="TASK...")
    return inspect.Parameter(
        param.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[list[str] | None, argument],
    )


def _metavar(param: Param, kind: object) -> str | None:
    """Choose the placeholder of the option's value; None shows the choices."""
    if param.choices and not param.many:
        return None
    return "N" if kind in (int, float) else param.name.rstrip("_").upper()


def _option(param: Param, section: str) -> inspect.Parameter:
    """Build an option from a parameter of a query's header."""
    default = _DEFAULT.search(param.text)
    kind: Any = _TYPES.get(param.type.removesuffix("[]"), str)
    text = _DEFAULT.sub("", _CHOICES.sub("", param.text))
    if param.choices and not param.many:
        kind = Literal[choices_of(param)]
    elif param.choices:  # Typer does not support a list of choices
        text += f" Any of {', '.join(param.choices)}."
    if param.many:
        kind = list[kind]
    option = typer.Option(
        param.option,
        help=text[:1].upper() + text[1:],
        show_default=default[1] if default and kind is not bool else False,
        metavar=_metavar(param, kind),
        rich_help_panel=section,
    )
    return inspect.Parameter(
        param.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,  # required ones are checked after everything is parsed
        annotation=Annotated[kind | None, option],
    )
