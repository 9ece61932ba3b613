"""Errors while modules are imported, which happens late here: told as what they are.

Commands import what they need when they need it, often inside of what tells errors of a dataset or
a file: a broken package, too many open files or too little memory would be told as one of those.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final

from clearml_snapshot.exporter.errors import DatasetError, SnapshotError

_OURS: Final = "clearml_snapshot"
_LOADER: Final = "<frozen importlib"
_TOLD: Final = (SnapshotError, DatasetError)
"""What errors of the system and of libraries are made into; the others were meant."""


class LoadError(SnapshotError):
    """A part of the program cannot be loaded."""


@contextmanager
def import_errors() -> Iterator[None]:
    """Let an error of an import come out of the block as a ``LoadError``."""
    try:
        yield
    except Exception as error:
        found = error if type(error) not in _TOLD else error.__cause__ or error.__context__
        name = found and failed_import(found)
        if name:
            raise LoadError(f"cannot load {name}: {_why(found)}") from found
        raise


def failed_import(error: BaseException) -> str | None:
    """Name the module whose import an error has ended; None if it came from elsewhere.

    An error of our own modules other than of the system is a bug, and keeps its traceback.
    """
    if not isinstance(error, Exception) or isinstance(error, SnapshotError):
        return None
    name = _imported(error.__traceback__)
    if isinstance(error, ImportError):
        name = error.name or name or "a module"
    if isinstance(error, SyntaxError) and error.filename:
        name = error.filename if _OURS not in Path(error.filename).parts else name
    is_ours = name is not None and name.partition(".")[0] == _OURS
    return None if is_ours and not isinstance(error, OSError | MemoryError) else name


def _imported(trace: TracebackType | None) -> str | None:
    """Find the innermost module that was being imported; Python hides most frames of its loader."""
    name = None
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") != "__main__":
            name = str(frame.f_globals.get("__name__"))
        elif frame.f_code.co_filename.startswith(_LOADER):
            name = str(frame.f_locals.get("fullname") or frame.f_locals.get("name") or name)
        trace = trace.tb_next
    return name


def _why(error: BaseException | None) -> str:
    if isinstance(error, MemoryError):
        return "out of memory; end other programs, or allow this one more"
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError):
        return f"{text}; see that this user may read the program's files, and that the disk is well"
    return f"{text}; install clearml-snapshot again"
