"""The `whoami` command."""

import typer

from clearml_snapshot.cli.options.output import Json
from clearml_snapshot.cli.options.sections import EXPORT
from clearml_snapshot.cli.options.server import Server
from clearml_snapshot.cli.output.formats import json_text
from clearml_snapshot.cli.output.stdout import write_text
from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.typer_ext.commands import add_command


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "whoami", whoami, panel=EXPORT)


def whoami(server: Server, form: Json = None) -> None:
    """Show the configured server and user, and what that user can see."""
    from clearml_snapshot.exporter.reader.whoami import identify

    who = identify(server.limits(), server.web_host, note)
    if form == "json":
        write_text(json_text(who.as_dict()))
        return
    facts = who.in_words()
    width = max(map(len, facts))
    lines = (printable(f"{name:<{width}}  {value}") for name, value in facts.items())
    write_text("".join(f"{line}\n" for line in lines))
