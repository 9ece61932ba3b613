"""``docs/cli.md``, written from the application: ``python -m clearml_snapshot.cli.reference``.

A section of options that several commands share word by word stands once, at the end.
"""

import inspect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import typer

from clearml_snapshot.cli.commands.query import QUESTION
from clearml_snapshot.cli.main import PROGRAM, app
from clearml_snapshot.cli.output.formats import __doc__ as formats_text
from clearml_snapshot.cli.output.stdout import write_text
from clearml_snapshot.cli.typer_ext.commands import Command, Group, OptionText, option_texts
from clearml_snapshot.exporter.errors import EXIT_CODE_MEANINGS

Section = tuple[str, tuple[OptionText, ...]]

_OWN: Final = frozenset({"Arguments", "Options", QUESTION})
"""Sections that belong to one command even where two happen to agree."""

_HEAD: Final = """\
# The command line

<!-- Written by `make docs` out of the code; edit that. -->

Answers go to stdout, everything else (progress, notes, errors) to stderr, so piping is safe.
`NO_COLOR` switches colours off.
"""


@dataclass(frozen=True)
class Entry:
    """One command, as it is documented."""

    path: str
    usage: str
    help: str
    sections: tuple[Section, ...]


def reference() -> str:
    """Write the whole page as Markdown."""
    entries = documented()
    uses = Counter(section for entry in entries for section in entry.sections)
    shared = [one for one, count in uses.items() if count > 1 and one[0] not in _OWN]
    parts = [_HEAD, *(_entry(entry, shared) for entry in entries)]
    parts += [_section(section, "## ") for section in shared]
    parts += [_formats(), _exit_codes()]
    return "\n".join(parts)


def documented() -> list[Entry]:
    """List every command, in the order of the help."""
    return list(_walk(typer.main.get_command(app), None, PROGRAM))


def _walk(command: object, parent: typer.Context | None, name: str) -> Iterator[Entry]:
    """Visit a command and what is below it, in the order of the help."""
    assert isinstance(command, Command | Group)
    ctx = typer.Context(command, info_name=name, parent=parent)
    sections: dict[str, list[OptionText]] = {}
    for text in option_texts(command, ctx):
        if "--help" not in text.names:
            sections.setdefault(text.section, []).append(text)
    yield Entry(
        path=ctx.command_path,
        usage=" ".join(ctx.get_usage().removeprefix("Usage: ").split()),
        help=inspect.cleandoc(command.help or ""),
        sections=tuple((title, tuple(texts)) for title, texts in sections.items()),
    )
    if isinstance(command, Group):
        for below in command.list_commands(ctx):
            yield from _walk(command.get_command(ctx, below), ctx, below)


def _entry(entry: Entry, shared: list[Section]) -> str:
    own, elsewhere = [], []
    for title, texts in entry.sections:
        common = next((one for one in shared if one[0] == title and {*one[1]} <= {*texts}), None)
        if common is not None:
            elsewhere.append(f"[{title}](#{_anchor(title)})")
        if rest := tuple(text for text in texts if common is None or text not in common[1]):
            own.append(_section((title, rest), "**"))
    also = [f"Shared options: {', '.join(elsewhere)}.\n"] if elsewhere else []
    return "\n".join([f"## `{entry.path}`\n\n    {entry.usage}\n\n{entry.help}\n", *own, *also])


def _section(section: Section, mark: str) -> str:
    title, texts = section
    heading = f"{mark}{title}{mark if mark == '**' else ''}"
    rows = [f"| `{_cell(text.usage)}` | {_cell(text.remarks)} |" for text in texts]
    return "\n".join([f"{heading}\n\n| option | |\n|:--|:--|", *rows, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _anchor(title: str) -> str:
    """Name a heading as GitHub does."""
    kept = (c for c in title.lower() if c.isalnum() or c in " -_")
    return "".join(kept).replace(" ", "-")


def _formats() -> str:
    body = (formats_text or "").partition("\n\n")[2].strip().replace("``", "`")
    return f"## Formats\n\n{body}\n"


def _exit_codes() -> str:
    rows = [f"| {int(code)} | {meaning} |" for code, meaning in EXIT_CODE_MEANINGS.items()]
    return "\n".join(["## Exit codes\n\n| code | meaning |\n|--:|:--|", *rows, ""])


if __name__ == "__main__":
    write_text(reference())
