"""Formats the result of a verification for the terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.exporter.store.format.states import in_words

if TYPE_CHECKING:
    from clearml_snapshot.exporter.store.verify.verify import Verification


NOT_CHECKED: Final = (
    "not checked: the rows, the statistics of the Parquet files, and whether the texts agree with "
    "the rows (verify without --quick checks them)"
)


def facts(verification: "Verification") -> dict[str, Any]:
    """Return what was found as JSON types."""
    return {
        "path": str(verification.root),
        "intact": verification.is_intact,
        "quick": verification.is_quick,
        "files": verification.files,
        "bytes": verification.bytes,
        "tasks": verification.tasks,
        "series": verification.series,
        "points": verification.points,
        "content_id": verification.content_id,
        "problems": verification.problems,
        "not_proven": verification.unproven,
        "notes": verification.notes,
    }


def finding_lines(verification: "Verification") -> Iterator[str]:
    """List what is damaged; if nothing is, describe what was checked."""
    yield from (f"damaged: {problem}" for problem in verification.problems)
    if not verification.is_intact:
        if verification.is_quick:
            yield NOT_CHECKED
        return
    found = "unchanged" if verification.is_quick else "intact"
    yield (
        f"{found}: {counted(verification.files, 'file')}, {size_in_words(verification.bytes)}, "
        f"{counted(verification.points, 'point')}, {verification.series:,} series, "
        f"{counted(verification.tasks, 'task')} in {verification.root}"
    )
    if verification.is_quick:
        yield NOT_CHECKED
    missing = in_words(verification.states)
    if missing:
        yield f"not complete: of {counted(verification.tasks, 'task')} {missing}"
    yield from (f"not proven: {text}" for text in verification.unproven)
    if verification.content_id is not None:
        yield f"content id: {verification.content_id}"
