"""Commands and groups of commands whose help shows options and commands in sections."""

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from clearml_snapshot.cli.options.groups import expand_groups
from clearml_snapshot.cli.options.output import Log
from clearml_snapshot.cli.output.terminal import printable_lines
from clearml_snapshot.cli.typer_ext.parameters import make_plain
from clearml_snapshot.cli.typer_ext.private import Context, HelpFormatter, Parameter

_LOG: Final = inspect.Parameter("log", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Log)


class Command(TyperCommand):
    """A command whose help shows its options in sections."""

    def get_help(self, ctx: Context) -> str:
        """Write the help, escaped: a user's own query may contain any character."""
        return printable_lines(super().get_help(ctx))

    def get_params(self, ctx: Context) -> list[Parameter]:
        """List the options and arguments, including ``--help``."""
        return make_plain(super().get_params(ctx))

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write one section for each group of options."""
        from clearml_snapshot.cli.typer_ext.help import write_options  # only help needs it

        write_options(self, ctx, formatter)


class NegativeNumbersCommand(Command):
    """A command whose arguments may be numbers below 0, which look like options."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Put a space before such a number, unless it is the value of an option."""
        valued = {
            name
            for option in self.get_params(ctx)
            if isinstance(option, TyperOption) and not option.is_flag
            for name in option.opts
        }
        spaced = [
            f" {text}" if re.fullmatch(r"-\d+", text) and last not in valued else text
            for last, text in pairwise(["", *args])
        ]
        return super().parse_args(ctx, spaced)


class Group(TyperGroup):
    """A group of commands whose help shows its commands in sections."""

    def get_help(self, ctx: Context) -> str:
        """Write the help, escaped: a user's own query may contain any character."""
        return printable_lines(super().get_help(ctx))

    def get_params(self, ctx: Context) -> list[Parameter]:
        """List the options, including ``--help``."""
        return make_plain(super().get_params(ctx))

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the commands first, then the options."""
        from clearml_snapshot.cli.typer_ext.help import write_options

        self.format_commands(ctx, formatter)
        write_options(self, ctx, formatter)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write one section for each panel, in the order of registration."""
        from clearml_snapshot.cli.typer_ext.help import write_sections

        names = self.list_commands(ctx)
        commands = {name: command for name in names if (command := self.get_command(ctx, name))}
        widest = max(map(len, commands), default=0)
        sections: dict[str, list[tuple[str, str]]] = {}
        # Typer registers groups after commands, but here groups come first in their section.
        for name, command in sorted(
            commands.items(), key=lambda item: not isinstance(item[1], Group)
        ):
            if not command.hidden:
                panel = getattr(command, "rich_help_panel", None) or "Commands"
                line = command.get_short_help_str(formatter.width)
                sections.setdefault(panel, []).append((name.ljust(widest), line))
        write_sections(formatter, sections)


def add_command(
    app: typer.Typer,
    name: str,
    command: Callable[..., object],
    *,
    panel: str | None = None,
    cls: type[Command] = Command,
    logs: bool = False,
) -> None:
    """Add a command to the application.

    Args:
        app: the application.
        name: its name.
        command: the function; its docstring is the help.
        panel: the section of the help that lists it.
        cls: the class of the command.
        logs: whether it has the option for the lines of a log.
    """
    applied = (_LOG,) if logs else ()
    app.command(name, cls=cls, rich_help_panel=panel)(expand_groups(command, applied))


def usage_line(error: typer.TyperException) -> str:
    """Turn Typer's usage error into one line that names the help to read."""
    text = " ".join(error.format_message().split()).rstrip(".").replace(". Did you", "; did you")
    ctx: Context | None = getattr(error, "ctx", None)
    near = getattr(error, "possibilities", None)
    if near:
        message = " ".join(error.message.split())
        text = f"{message}; did you mean {' or '.join(_visible(near))}?"
    where = ctx.command_path if ctx else "clearml-snapshot"
    return f"{text[:1].lower()}{text[1:]}; see {where} --help"


def _visible(names: Iterable[str]) -> Sequence[str]:
    from clearml_snapshot.cli.typer_ext.help import HIDDEN_ALIASES

    return [name for name in names if name not in HIDDEN_ALIASES][:2] or sorted(names)
