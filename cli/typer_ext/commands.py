"""How commands are declared: groups of options, and help in sections.

Typer asks for one parameter an option. A command here takes one frozen object a *group* of options
(``filters: Filters``) instead, so that ``export`` and every query share them word by word.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption, _TyperParameter

from clearml_snapshot.cli.output.terminal import printable_lines

if TYPE_CHECKING:  # Typer carries click inside and does not export these types
    from typer._click.core import Command as ClickCommand
    from typer._click.core import Context, Parameter
    from typer._click.formatting import HelpFormatter
    from typer._click.shell_completion import CompletionItem

HIDDEN_ALIASES: Final = frozenset({"--title", "--series"})
"""The SDK's words for ``--metric`` and ``--variant``: understood, not shown."""

_OTHER: Final = "Options"


@dataclass(frozen=True)
class OptionGroup:
    """Marks a parameter, in ``Annotated``, that stands for all options of ``build``."""

    build: Callable[..., object]
    """Takes the options by keyword and returns what the command gets."""


def expanded(command: Callable[..., object]) -> Callable[..., object]:
    """Make a command whose group parameters became the options of their groups."""
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
        return command(**values)

    parameters = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in own
        for option in options.get(parameter.name, [parameter])
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # PEP 362
    run.__annotations__ = {option.name: option.annotation for option in parameters}
    return run


def _group_of(parameter: inspect.Parameter) -> OptionGroup | None:
    metadata = getattr(parameter.annotation, "__metadata__", ())
    return next((item for item in metadata if isinstance(item, OptionGroup)), None)


def add_command(
    app: typer.Typer, name: str, command: Callable[..., object], *, panel: str | None = None
) -> None:
    """Add a command to the application; its docstring is its help, ``panel`` its section."""
    app.command(name, cls=Command, rich_help_panel=panel)(expanded(command))


@dataclass(frozen=True)
class OptionText:
    """What help and documentation say of one option or argument."""

    names: tuple[str, ...]
    value: str
    """What stands behind the name; empty for a flag."""
    help: str
    default: str
    environment: str
    repeatable: bool
    section: str

    @property
    def usage(self) -> str:
        """The option as it is typed: ``-o, --output FILE``."""
        return ", ".join(self.names) + (f" {self.value}" if self.value else "")

    @property
    def remarks(self) -> str:
        """The help with what else there is to know, in brackets."""
        facts = [
            "repeatable" if self.repeatable else "",
            f"env: {self.environment}" if self.environment else "",
            f"default: {self.default}" if self.default else "",
        ]
        known = "; ".join(fact for fact in facts if fact)
        return f"{self.help} [{known}]" if known else self.help


def option_texts(command: "Command | Group", ctx: "Context") -> list[OptionText]:
    """Describe every visible option and argument of a command, arguments first."""
    shown = [one for one in command.get_params(ctx) if not getattr(one, "hidden", False)]
    shown.sort(key=lambda one: not isinstance(one, TyperArgument))
    return [_option_text(parameter, ctx) for parameter in shown]


def _option_text(parameter: "Parameter", ctx: "Context") -> OptionText:
    assert isinstance(parameter, TyperOption | TyperArgument)
    is_argument = isinstance(parameter, TyperArgument)
    names = [parameter.metavar or parameter.name.upper()] if is_argument else parameter.opts
    shown = sorted((name for name in names if name not in HIDDEN_ALIASES), key=len)
    return OptionText(
        names=(*shown, *parameter.secondary_opts),
        value=_value_text(parameter, ctx),
        help=" ".join((parameter.help or "").split()),
        default=_default_text(parameter),
        environment=parameter.envvar if isinstance(parameter.envvar, str) else "",
        repeatable=parameter.multiple or parameter.nargs == -1,
        section="Arguments" if is_argument else parameter.rich_help_panel or _OTHER,
    )


def _value_text(parameter: TyperOption | TyperArgument, ctx: "Context") -> str:
    if isinstance(parameter, TyperArgument) or parameter.is_flag:
        return ""
    return parameter.metavar or parameter.display_type(ctx).strip("<>")


def _default_text(parameter: TyperOption | TyperArgument) -> str:
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if parameter.default is None or parameter.default in (False, [], ()):
        return ""
    default = parameter.default.value if isinstance(parameter.default, Enum) else parameter.default
    return str(default)


class _Plain(_TyperParameter):
    """Converts what was typed itself: for each option Typer would build a pydantic validator.

    Importing pydantic alone doubles the time that a query takes.
    """

    min: float | None
    max: float | None

    def process_value(self, ctx: "Context", value: Any) -> Any:
        """Convert texts, numbers, paths and choices; leave anything else to Typer."""
        if self.required:
            return super().process_value(ctx, value)
        converted = value if value is None or value == self.default else self._converted(ctx, value)
        return self.callback(ctx, self, converted) if self.callback else converted

    def shell_complete(self, ctx: "Context", incomplete: str) -> "list[CompletionItem]":
        """Offer what the dataset holds, else what the option's type knows."""
        from typer._click.shell_completion import CompletionItem

        from clearml_snapshot.cli.typer_ext.completion import candidates

        found = candidates(self.name or "", ctx.params, incomplete)
        if found is None:
            return super().shell_complete(ctx, incomplete)
        is_argument = isinstance(self, TyperArgument)  # a dash would make an option of it
        return [CompletionItem(name) for name in found if not (is_argument and name[:1] == "-")]

    def _converted(self, ctx: "Context", value: Any) -> Any:
        convert = self._converter()
        if convert is None:
            return value if isinstance(value, bool) else super().process_value(ctx, value)
        try:
            return [convert(one) for one in value] if self._takes_many else convert(value)
        except ValueError as error:
            raise typer.BadParameter(str(error), ctx=ctx, param=self) from None

    @property
    def _takes_many(self) -> bool:
        return self.multiple or self.nargs != 1

    def _converter(self) -> Callable[[Any], object] | None:
        """Find the conversion of one value; it raises ValueError for what is none."""
        kind: Any = self.type_descriptor.annotation
        if self._takes_many:
            kind = (*get_args(kind), None)[0]
        if get_origin(kind) is Literal:
            return functools.partial(_chosen, get_args(kind))
        if kind in (int, float):
            return functools.partial(_number, kind, self.min, self.max)
        return {str: str, Path: Path}.get(kind)


class _PlainOption(_Plain, TyperOption):
    pass


class _PlainArgument(_Plain, TyperArgument):
    pass


def _plain(parameters: "list[Parameter]") -> "list[Parameter]":
    """Change the options' class: Typer has no say in it."""
    for parameter in parameters:
        if isinstance(parameter, TyperOption):
            parameter.__class__ = _PlainOption
        elif isinstance(parameter, TyperArgument):
            parameter.__class__ = _PlainArgument
    return parameters


def _chosen(choices: tuple[str, ...], text: str) -> str:
    if text not in choices:
        raise ValueError(f"{text!r} is none of {', '.join(choices)}")
    return text


def _number(
    kind: type[int] | type[float], least: float | None, most: float | None, text: str
) -> float:
    try:
        number = kind(text)
    except ValueError:
        raise ValueError(f"{text!r} is no {'whole ' * (kind is int)}number") from None
    if least is not None and not number >= least:  # NaN is not
        raise ValueError(f"{number} is less than {least}")
    if most is not None and number > most:
        raise ValueError(f"{number} is more than {most}")
    return number


class Command(TyperCommand):
    """A command whose help shows its options in sections."""

    def get_help(self, ctx: "Context") -> str:
        """Write the help; a query of somebody's own has anything in its header."""
        return printable_lines(super().get_help(ctx))

    def get_params(self, ctx: "Context") -> "list[Parameter]":
        """List the options and arguments, ``--help`` too."""
        return _plain(super().get_params(ctx))

    def format_options(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Write one section for each group of options."""
        _write_options(self, ctx, formatter)


class Group(TyperGroup):
    """A group of commands whose help shows its commands in sections."""

    def get_help(self, ctx: "Context") -> str:
        """Write the help; a query of somebody's own has anything in its title."""
        return printable_lines(super().get_help(ctx))

    def get_params(self, ctx: "Context") -> "list[Parameter]":
        """List the options, ``--help`` too."""
        return _plain(super().get_params(ctx))

    def format_options(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Write the commands first: they are what the reader came for."""
        self.format_commands(ctx, formatter)
        _write_options(self, ctx, formatter)

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Write one section for each panel, in the order of registration."""
        names = self.list_commands(ctx)
        commands = {name: found for name in names if (found := self.get_command(ctx, name))}
        widest = max(map(len, commands), default=0)
        sections: dict[str, list[tuple[str, str]]] = {}
        # Typer registers groups after commands; ours are the main ones of their section.
        for name, command in sorted(
            commands.items(), key=lambda one: not isinstance(one[1], Group)
        ):
            if not command.hidden:
                panel = getattr(command, "rich_help_panel", None) or "Commands"
                line = command.get_short_help_str(formatter.width)
                sections.setdefault(panel, []).append((name.ljust(widest), line))
        _write_sections(formatter, sections)


def _groups_first(named: "tuple[str, ClickCommand]") -> bool:
    return not isinstance(named[1], Group)


def _write_options(command: "Command | Group", ctx: "Context", formatter: "HelpFormatter") -> None:
    sections: dict[str, list[tuple[str, str]]] = {}
    for text in option_texts(command, ctx):
        sections.setdefault(text.section, []).append((text.usage, text.remarks))
    if general := sections.pop(_OTHER, None):
        sections[_OTHER] = general
    _write_sections(formatter, sections)


def _write_sections(formatter: "HelpFormatter", sections: dict[str, list[tuple[str, str]]]) -> None:
    for heading, rows in sections.items():
        with formatter.section(heading):
            formatter.write_dl(rows)


def usage_line(error: typer.TyperException) -> str:
    """Turn Typer's usage error into one line that says what to type for help."""
    text = " ".join(error.format_message().split()).rstrip(".").replace(". Did you", "; did you")
    ctx: Context | None = getattr(error, "ctx", None)
    near = getattr(error, "possibilities", None)
    if near:
        message = " ".join(error.message.split())
        text = f"{message}; did you mean {' or '.join(_visible(near))}?"
    where = ctx.command_path if ctx else "clearml-snapshot"
    return f"{text[:1].lower()}{text[1:]}; see {where} --help"


def _visible(names: Iterable[str]) -> Sequence[str]:
    return [name for name in names if name not in HIDDEN_ALIASES][:2] or sorted(names)
