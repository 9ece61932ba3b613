"""The exit codes of all commands, and the errors that lead to them.

SnapshotError (1)
├── UsageError (2)            invalid arguments, or a first export without a filter
│   ├── NoSuchNameError (2)   a project, metric, tag, task … that does not exist, with near matches
│   └── OtherServerError (2)  the dataset was exported from another server than the configured one
├── ServerError (4)           the server, or the way to it
│   ├── LoginError (4)        no credentials, wrong ones, a token that cannot be renewed
│   └── RefusedError (4)      the server understood one request and refused it (400, 404, 500)
├── DatasetError (5)          a dataset that is damaged or too new
│   └── NoDatasetError (2)    a folder without a dataset, or no such snapshot
├── LockedError (6)           another run is writing
├── LimitReachedError (7)     --max-time or --max-requests is reached; run it again
└── OvertakenError (8)        other runs that write to the same bucket were always quicker

The number is the exit code. A message is one line: what happened, to which thing, what to do next.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from clearml_snapshot.exporter.own_keys import scrub
from clearml_snapshot.exporter.unseen import storable

_LONGEST: Final = 1_000
"""Characters of a message; without long names, no message has more than half of that."""
_END: Final = 300
"""Characters kept at its end, where it describes what to do."""


class ExitCode(IntEnum):
    """The exit codes of every command; ``docs/cli.md`` prints this table."""

    COMPLETE = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    SERVER = 4
    DATASET = 5
    LOCKED = 6
    LIMIT = 7
    OVERTAKEN = 8
    INTERRUPTED = 130


EXIT_CODE_MEANINGS: dict[ExitCode, str] = {
    ExitCode.COMPLETE: "complete",
    ExitCode.FAILED: "failed",
    ExitCode.USAGE: "usage error, or no such name",
    ExitCode.PARTIAL: "committed, but with a warning, or with tasks that are partial, failed or "
    "not read yet; also used by `verify` and `status --check`",
    ExitCode.SERVER: "the server, or the login, failed",
    ExitCode.DATASET: "the dataset is damaged, or newer than this tool",
    ExitCode.LOCKED: "locked by another run (`--wait` waits)",
    ExitCode.LIMIT: "stopped at a limit of this run; run it again to continue",
    ExitCode.OVERTAKEN: "other runs that write to the same bucket were always quicker; run it "
    "again",
    ExitCode.INTERRUPTED: "interrupted; completed work is committed",
}


def shortened(text: str) -> str:
    """Shorten a very long line in the middle: a name can be a megabyte."""
    if len(text) <= _LONGEST:
        return text
    left_out = len(text) - _LONGEST
    return f"{text[: _LONGEST - _END]} …({left_out:,} characters)… {text[-_END:]}"


class SnapshotError(Exception):
    """The root: its text is one line for the user, its ``exit_code`` is that of the process.

    The text never contains the credentials of this process, even if a server sent them back.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str = "") -> None:
        super().__init__(storable(scrub(message)))


class UsageError(SnapshotError):
    """The arguments are invalid, or contradict each other."""

    exit_code = ExitCode.USAGE


def not_installed(purpose: str, package: str) -> UsageError:
    """Make the error for a package that only some users need."""
    return UsageError(
        f"{purpose} needs the package {package}, which is not installed; install it with: "
        f"pip install {package}"
    )


class NoSuchNameError(UsageError):
    """A name that does not exist; the text lists near matches.

    Args:
        message: the text.
        kind: what it would be a name of, if the text begins with that.
        name: what was typed.
        near: the names that the text suggests.
    """

    def __init__(
        self, message: str, *, kind: str = "", name: str = "", near: Iterable[str] = ()
    ) -> None:
        super().__init__(message)
        self.kind: Final = kind
        self.name: Final = name
        self.near: Final = tuple(near)


class OtherServerError(UsageError):
    """The dataset was exported from another server than the one that is configured."""


class ServerError(SnapshotError):
    """The server could not be reached, or did not answer as a ClearML server does."""

    exit_code = ExitCode.SERVER


class LoginError(ServerError):
    """The server was reached and refused the login."""


class RefusedError(ServerError):
    """The server answered one request with an error, and trying again would not help.

    Attributes:
        status: the HTTP status, equal to ``meta.result_code``.
        subcode: ``meta.result_subcode``.
    """

    def __init__(self, message: str, *, status: int, subcode: int) -> None:
        super().__init__(message)
        self.status = status
        self.subcode = subcode


class DatasetError(SnapshotError):
    """The folder is damaged, written by a newer version, or not a dataset of this tool."""

    exit_code = ExitCode.DATASET


class NewerFormatError(DatasetError):
    """It was written by a newer version of this tool, and need not be damaged."""


class NoDatasetError(DatasetError):
    """The dataset or snapshot does not exist: a mistyped folder or number is not damage."""

    exit_code = ExitCode.USAGE


class LockedError(SnapshotError):
    """Another process is writing to this dataset."""

    exit_code = ExitCode.LOCKED


class OvertakenError(SnapshotError):
    """Other processes changed a dataset in a bucket first, each time that this one tried."""

    exit_code = ExitCode.OVERTAKEN


class LimitReachedError(SnapshotError):
    """A limit that the user set was reached; completed work is committed."""

    exit_code = ExitCode.LIMIT
