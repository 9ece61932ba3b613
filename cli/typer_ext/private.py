"""Typer's private names: everything that is imported from inside Typer, in one place.

Typer bundles click without exporting it, and its completion cannot be replaced in public ways.
``pyproject.toml`` bounds its version; another version may have renamed what is used here.
"""

from clearml_snapshot.cli.process.loading import LoadError

try:
    from typer._click.core import Command as ClickCommand
    from typer._click.core import Context, Parameter
    from typer._click.formatting import HelpFormatter
    from typer._click.shell_completion import (
        CompletionItem,
        _resolve_context,
        _resolve_incomplete,
        split_arg_string,
    )
    from typer._completion_shared import _completion_scripts, get_completion_script
    from typer.core import _TyperParameter
except ImportError as error:
    raise LoadError(
        f"this version of Typer does not work with clearml-snapshot ({error.msg}); "
        "install the versions it needs: pip install --upgrade clearml-snapshot"
    ) from error

COMPLETION_SCRIPTS = _completion_scripts
TyperParameter = _TyperParameter
resolve_context = _resolve_context
resolve_incomplete = _resolve_incomplete

__all__ = [
    "COMPLETION_SCRIPTS",
    "ClickCommand",
    "CompletionItem",
    "Context",
    "HelpFormatter",
    "Parameter",
    "TyperParameter",
    "get_completion_script",
    "resolve_context",
    "resolve_incomplete",
    "split_arg_string",
]
