"""Reports errors of late imports as what they are, and keeps out a package that is not needed.

Commands import modules when they need them, often inside a block that reports errors of a dataset
or a file. Without this, a broken package, too many open files or too little memory would be
reported as an error of that dataset or file.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final

from clearml_snapshot.exporter.errors import DatasetError, SnapshotError

_OURS: Final = "clearml_snapshot"
_LOADER: Final = "<frozen importlib"
_TRANSLATED: Final = (SnapshotError, DatasetError)
"""Types that errors of the system and of libraries are translated into."""


class LoadError(SnapshotError):
    """A part of the program cannot be loaded."""


def keep_out_pandas() -> None:
    """Let ``import pandas`` fail in this process, as if it were not installed.

    Only Spark needs it, but pyarrow and the SDK load it if it is there, which takes 0.4 s.
    """
    sys.meta_path.insert(0, _NoPandas())


def let_in_pandas() -> None:
    """Let it be imported again: Spark needs it."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _NoPandas)]


class _NoPandas:
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(f"{name} is not used here", name=name)


@contextmanager
def import_errors() -> Iterator[None]:
    """Raise an error of an import in the block as a ``LoadError``."""
    try:
        yield
    except Exception as error:  # an import may fail with any; what is not one is raised again
        cause = error if type(error) not in _TRANSLATED else error.__cause__ or error.__context__
        name = cause and failed_import(cause)
        if name:
            raise LoadError(f"cannot load {name}: {_why(cause)}") from cause
        raise


def failed_import(error: BaseException) -> str | None:
    """Name the module whose import failed with this error; None if it came from elsewhere.

    An error in clearml_snapshot itself, unless it is one of the system, is a bug and keeps its
    traceback.
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
    """Find the innermost module being imported; Python hides most frames of its loader."""
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
        return "out of memory; close other programs, or allow this one more memory"
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError):
        return f"{text}; check that this user may read the program's files, and that the disk works"
    return f"{text}; reinstall clearml-snapshot"
