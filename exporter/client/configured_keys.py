"""Reads the configured credentials of this machine without the SDK.

A query never logs in, and importing the SDK would double its time. Still, an answer must not show
the user's own key, which may have been pasted into a name.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.own_keys import remember

VARIABLES: Final = (
    "CLEARML_API_ACCESS_KEY",
    "TRAINS_API_ACCESS_KEY",
    "CLEARML_API_SECRET_KEY",
    "TRAINS_API_SECRET_KEY",
    "CLEARML_AUTH_TOKEN",
)
FILE_VARIABLES: Final = ("CLEARML_CONFIG_FILE", "TRAINS_CONFIG_FILE")
_FILES: Final = ("~/trains.conf", "~/clearml.conf")
_LONGEST: Final = 1_000_000
"""Bytes; a longer file is not a configuration file."""

_ASSIGNED: Final = (
    r"""\b(?:access_key|secret_key)["']?\s*[:=]\s*(?:"([^"\n]+)"|'([^'\n]+)'|([^\s"'$,}\n]+))"""
)


def remember_configured(environment: Mapping[str, str] | None = None) -> None:
    """Remember the keys of the environment and of ``clearml.conf``, see `own_keys.remember`.

    What cannot be read is ignored: the login reports what is wrong with it.
    """
    variables = os.environ if environment is None else environment
    remember(*(variables.get(name, "").strip() for name in VARIABLES))
    for file in _files(variables):
        with suppress(OSError, ValueError, RuntimeError):
            path = Path(file).expanduser()
            if path.is_file():
                remember(*_keys(path))
                return


def _files(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the paths of the file, in the SDK's order; only the first existing one counts."""
    yield from (
        os.path.expandvars(environment[name]) for name in FILE_VARIABLES if name in environment
    )
    yield from _FILES


def _keys(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        text = file.read(_LONGEST).decode("utf-8", "replace")
    for groups in re.findall(_ASSIGNED, text):
        yield from (key.strip() for key in groups if key)
