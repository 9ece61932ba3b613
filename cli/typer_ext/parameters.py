"""Options and arguments that convert their own values and complete from the dataset."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, get_args, get_origin

import typer
from typer.core import TyperArgument, TyperOption

from clearml_snapshot.cli.typer_ext.private import (
    CompletionItem,
    Context,
    Parameter,
    TyperParameter,
)

Completer = Callable[[str, dict[str, Any], str, object], dict[str, str] | None]
"""Takes a parameter's name, what is typed before it, its beginning, and the query; see
``completion``."""

SHELL_VARIABLE: Final = "_CLEARML_SNAPSHOT_COMPLETE"
"""The variable in which a shell requests completions; Typer chose its name."""


class _Plain(TyperParameter):
    """Converts its own value: Typer would build a pydantic validator for each option.

    Importing pydantic alone doubles the time that a query takes.
    """

    completer: ClassVar[Completer | None] = None

    min: float | None
    max: float | None

    def process_value(self, ctx: Context, value: Any) -> Any:
        """Convert texts, numbers, paths and choices; leave anything else to Typer."""
        if self.required and not value:  # it is missing
            return super().process_value(ctx, value)
        converted = value if value is None or value == self.default else self._converted(ctx, value)
        return self.callback(ctx, self, converted) if self.callback else converted

    def shell_complete(self, ctx: Context, incomplete: str) -> list[CompletionItem]:
        """Offer names from the dataset, otherwise what the option's type knows."""
        complete = None if get_origin(self._kind) is Literal else _Plain.completer
        offers = complete and complete(self.name or "", ctx.params, incomplete, ctx.obj)
        if offers is None:
            return super().shell_complete(ctx, incomplete)
        is_argument = isinstance(self, TyperArgument)  # a leading dash would make it an option
        return [
            CompletionItem(name, help=text)
            for name, text in offers.items()
            if not (is_argument and name[:1] == "-")
        ]

    def _converted(self, ctx: Context, value: Any) -> Any:
        convert = self._converter()
        if convert is None:
            return value if isinstance(value, bool) else super().process_value(ctx, value)
        try:
            return [convert(item) for item in value] if self._takes_many else convert(value)
        except ValueError as error:
            raise typer.BadParameter(str(error), ctx=ctx, param=self) from None

    @property
    def _takes_many(self) -> bool:
        return self.multiple or self.nargs != 1

    @property
    def _kind(self) -> Any:
        """The type of one value."""
        kind: Any = self.type_descriptor.annotation
        return (*get_args(kind), None)[0] if self._takes_many else kind

    def _converter(self) -> Callable[[Any], object] | None:
        """Find the conversion of one value; it raises ValueError for an invalid value."""
        kind = self._kind
        if get_origin(kind) is Literal:
            return functools.partial(_chosen, get_args(kind))
        if kind in (int, float):
            return functools.partial(_number, kind, self.min, self.max)
        return {str: str, Path: Path}.get(kind)


class _PlainOption(_Plain, TyperOption):
    pass


class _PlainArgument(_Plain, TyperArgument):
    pass


def make_plain(parameters: list[Parameter]) -> list[Parameter]:
    """Change the class of the options in place, as Typer does not allow choosing it."""
    for parameter in parameters:
        if isinstance(parameter, TyperOption):
            parameter.__class__ = _PlainOption
        elif isinstance(parameter, TyperArgument):
            parameter.__class__ = _PlainArgument
    return parameters


def _chosen(choices: tuple[str, ...], text: str) -> str:
    if text not in choices:
        raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
    return text


def _number(
    kind: type[int] | type[float], least: float | None, most: float | None, text: str
) -> float:
    try:
        number = kind(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a {'whole ' * (kind is int)}number") from None
    if least is not None and not number >= least:  # NaN is not
        raise ValueError(f"{number} is less than {least}")
    if most is not None and number > most:
        raise ValueError(f"{number} is more than {most}")
    return number


def set_completer(complete: Completer) -> None:
    """Let all options and arguments offer what this function returns."""
    _Plain.completer = staticmethod(complete)
