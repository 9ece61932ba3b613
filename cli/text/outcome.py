"""Describes how a command ended as one JSON object, also if it failed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from clearml_snapshot.cli.output.formats import json_text
from clearml_snapshot.cli.output.stdout import write_text
from clearml_snapshot.exporter.errors import ExitCode

COMMANDS: Final = ("export", "verify", "pack", "safe-to-delete")
"""Commands whose JSON is an object with these keys, whatever happens."""

OUTCOMES: Final[Mapping[ExitCode, str]] = {
    ExitCode.COMPLETE: "complete",
    ExitCode.FAILED: "failed",
    ExitCode.USAGE: "usage_error",
    ExitCode.PARTIAL: "incomplete",
    ExitCode.SERVER: "server_failed",
    ExitCode.DATASET: "damaged",
    ExitCode.LOCKED: "locked",
    ExitCode.LIMIT: "limit_reached",
    ExitCode.OVERTAKEN: "overtaken",
    ExitCode.INTERRUPTED: "interrupted",
}

DESCRIPTION: Final = """\
`export`, `verify`, `pack` and `safe-to-delete` print one JSON object on stdout with `--format
json`, also if they fail. stderr is the same as without it. The object begins with these keys:

- `command`: the name of the command
- `outcome`: a word for the exit code, see below
- `exit_code`: the exit code
- `error`: the text of the error, or null
- `missing`: the number of tasks in each state that is not complete, such as `{"partial": 2}`; null
  if unknown. For `safe-to-delete`, the number of tasks that need attention, by reason.

If `error` is null, more keys follow:

- `export`: the fields of [`ExportReport`](python-api.md), and `tasks_partial` and `tasks_failed`;
  with `--dry-run` the fields of `Forecast`
- `verify`: `path`, `intact`, `quick`, `files`, `bytes`, `tasks`, `series`, `points`, `content_id`,
  `problems` (what is damaged), `not_proven` (texts from another version that differ), `notes`
- `pack`: `path`, `bytes`, `tasks`, `series`, `points`, `content_id`, `omitted`, `notes`
- `safe-to-delete`: `task_ids`, `not_listed` (why, for each other task), `without_summary` (the
  number of listed tasks of which the server has no summary), `reread`, `older_than`, `recorded`
  (whether the dataset remembers the list), `notes`
"""
"""The object, as the reference describes it."""


def write_outcome(
    command: str,
    code: ExitCode,
    details: Mapping[str, Any],
    *,
    missing: Mapping[str, int] | None,
) -> None:
    """Write the object of a command that did its work.

    Args:
        command: its name.
        code: the exit code.
        details: further keys.
        missing: tasks by state or reason; those that are 0 are left out.
    """
    counts = None if missing is None else {name: n for name, n in missing.items() if n}
    write_text(json_text({**_head(command, code, None, counts), **details}))


def write_failure(command: str, code: int, error: str) -> None:
    """Write the object of a command that failed."""
    write_text(json_text(_head(command, ExitCode(code), error, None)))


def has_outcome(arguments: Sequence[str]) -> bool:
    """Return whether the JSON of a command is such an object; its arguments may be invalid."""
    return bool(arguments) and arguments[0] in COMMANDS and "--server-summary" not in arguments


def _head(
    command: str, code: ExitCode, error: str | None, missing: Mapping[str, int] | None
) -> dict[str, Any]:
    return {
        "command": command,
        "outcome": OUTCOMES[code],
        "exit_code": int(code),
        "error": error,
        "missing": missing,
    }
