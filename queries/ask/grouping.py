"""What tasks can be grouped by, and what follows from it for other parameters."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.names import no_such
from clearml_snapshot.exporter.selection.param_names import find_params
from clearml_snapshot.exporter.settings import setting

GROUPINGS: Final = ("project", "status", "tag", "type", "user", "week")
"""What ``group`` can group by, besides hyperparameters."""

BY_PARAM: Final = "param:"
"""May be written before a hyperparameter, as in earlier versions; tells it from a grouping."""

DIFFERING: Final = "by_differing"
"""The parameter with the hyperparameters that differ between groups of ``by_all_except``."""

_MOST_DIFFERING: Final = 50
"""Hyperparameters that differ between the groups of a curve: each is a column of every row."""


def groupings(text: str, params: Collection[str]) -> list[str]:
    """Read what to group by: one of ``GROUPINGS``, or hyperparameters behind ``BY_PARAM``.

    Args:
        text: as typed.
        params: the hyperparameters that exist.

    Raises:
        NoSuchNameError: it is neither.
        UsageError: it could be several hyperparameters.
    """
    if text in GROUPINGS:
        return [text]
    try:
        named = find_params(text.removeprefix(BY_PARAM), params)
    except NoSuchNameError:
        if text.startswith(BY_PARAM):
            raise
        known = (*GROUPINGS, *params)
        parts = [part.strip() for part in text.split(",")]
        if len(parts) > 1 and all(_is_grouping(part, params) for part in parts):
            several = " and ".join(map(repr, parts))
            raise NoSuchNameError(
                f"no grouping or hyperparameter {text!r}; give {several} as several values of "
                f"{setting('by')}"
            ) from None
        raise no_such("grouping or hyperparameter", text, known) from None
    return [BY_PARAM + name for name in named]


def _is_grouping(text: str, params: Collection[str]) -> bool:
    try:
        return bool(groupings(text, params))
    except NoSuchNameError:
        return False


def checked_differing(differing: Collection[str]) -> list[str]:
    """Check that groups can be told apart by what differs between them."""
    if len(differing) > _MOST_DIFFERING:
        raise UsageError(
            f"{len(differing):,} hyperparameters differ between these groups; name what to group "
            f"by with {setting('by')}, or more hyperparameters with {setting('by_all_except')}"
        )
    return [*differing]


def check_band(values: Mapping[str, Any]) -> None:
    """Refuse ``band`` and ``align`` for curves of single tasks."""
    if "band" not in values or values["by"] is not None or values["by_all_except"] is not None:
        return
    for name in ("band", "align"):
        if values[name] is not None:
            raise UsageError(
                f"{setting(name)} is for curves of groups; add {setting('by')} or "
                f"{setting('by_all_except')}"
            )
