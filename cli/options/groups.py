"""Groups of options: a command takes one frozen object instead of each option of a group.

Typer needs one parameter per option. Here ``filters: Filters`` represents all options of
the task filter, so that ``export`` and every query share them word by word.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import typer

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True)
class OptionGroup:
    """Marks a parameter, in ``Annotated``, that represents all options of ``build``."""

    build: Callable[..., object]
    """Takes the options by keyword and returns the object that the command receives."""


def expand_groups(
    command: Callable[..., object], applied: Sequence[inspect.Parameter] = ()
) -> Callable[..., object]:
    """Replace the group parameters of a command by the options of their groups.

    Args:
        command: the function.
        applied: further options, which are applied before the command and not passed to it.
    """
    own = list(inspect.signature(command, eval_str=True).parameters.values())
    groups = {parameter.name: group for parameter in own if (group := _group_of(parameter))}
    options = {
        name: list(inspect.signature(group.build, eval_str=True).parameters.values())
        for name, group in groups.items()
    }

    @functools.wraps(command)
    def run(**values: object) -> object:
        for name, group in groups.items():
            taken = {option.name: values.pop(option.name) for option in options[name]}
            values[name] = group.build(**taken)
        for parameter in applied:
            values.pop(parameter.name)
        return command(**values)

    parameters = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in own
        for option in options.get(parameter.name, [parameter])
    ]
    parameters += applied
    run.__annotations__ = {option.name: option.annotation for option in parameters}
    return signed(run, parameters)


def signed(function: F, parameters: Sequence[inspect.Parameter]) -> F:
    """Give a function the parameters that Typer reads."""
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # PEP 362
    return function


def _group_of(parameter: inspect.Parameter) -> OptionGroup | None:
    metadata = getattr(parameter.annotation, "__metadata__", ())
    return next((item for item in metadata if isinstance(item, OptionGroup)), None)


def option(*names: str, section: str, metavar: str | None = None, **more: Any) -> Any:
    """Declare an option that help shows in a section."""
    return typer.Option(*names, metavar=metavar, rich_help_panel=section, **more)
