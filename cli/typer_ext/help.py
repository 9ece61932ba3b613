"""Help of options: what is described, and the sections it is shown in."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from clearml_snapshot.cli.typer_ext.private import Context, HelpFormatter, Parameter

HIDDEN_ALIASES: Final = frozenset({"--title", "--series"})
"""The SDK's words for ``--metric`` and ``--variant``: accepted, not shown."""

_OTHER: Final = "Options"


@dataclass(frozen=True)
class OptionText:
    """One option or argument, as help and documentation describe it."""

    names: tuple[str, ...]
    value: str
    """The placeholder of its value; empty for a flag."""
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
        """The help, followed by other facts in brackets."""
        facts = [
            "repeatable" if self.repeatable else "",
            f"env: {self.environment}" if self.environment else "",
            f"default: {self.default}" if self.default else "",
        ]
        bracketed = "; ".join(fact for fact in facts if fact)
        return f"{self.help} [{bracketed}]" if bracketed else self.help


def option_texts(command: TyperCommand | TyperGroup, ctx: Context) -> list[OptionText]:
    """Describe every visible option and argument of a command, arguments first."""
    shown = [
        parameter
        for parameter in command.get_params(ctx)
        if not getattr(parameter, "hidden", False)
    ]
    shown.sort(key=lambda parameter: not isinstance(parameter, TyperArgument))
    return [_option_text(parameter, ctx) for parameter in shown]


def _option_text(parameter: Parameter, ctx: Context) -> OptionText:
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


def _value_text(parameter: TyperOption | TyperArgument, ctx: Context) -> str:
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


def write_options(
    command: TyperCommand | TyperGroup, ctx: Context, formatter: HelpFormatter
) -> None:
    """Write one section for each group of options; ungrouped options come last."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for text in option_texts(command, ctx):
        sections.setdefault(text.section, []).append((text.usage, text.remarks))
    if general := sections.pop(_OTHER, None):
        sections[_OTHER] = general
    write_sections(formatter, sections)


def write_sections(formatter: HelpFormatter, sections: dict[str, list[tuple[str, str]]]) -> None:
    """Write a definition list under each heading."""
    for heading, rows in sections.items():
        with formatter.section(heading):
            formatter.write_dl(rows)
