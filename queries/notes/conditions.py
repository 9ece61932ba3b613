"""Notes on values that a condition of ``--where`` compared: a 0 that is probably NaN."""

from collections.abc import Iterator
from typing import Final

from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.notes.suspect_zeros import suspect_points

_LOOKED_AT: Final = 20_000_000
"""Points of the series with an extreme of 0 that are examined; a few seconds."""
_WORDS: Final = {"max": "highest", "min": "lowest"}


def condition_notes(dataset: Dataset) -> Iterator[str]:
    """Report what names in conditions mean, and extremes that are probably NaN.

    Tasks that the conditions exclude count too: they may have been excluded for that reason.
    """
    if dataset.filter is None:
        return
    yield from dataset.filter.notes
    for metric, variant, which in dataset.filter.extremes:
        parameters = {"metric": metric, "variant": variant, "which": which}
        rows = dataset.rows(dataset.sql(read("notes/conditions.sql"), parameters)).rows
        name = f"where: the {_WORDS[which]} value of {metric}/{variant}"
        if sum(row[-1] for row in rows) > _LOOKED_AT:
            yield f"{name} is 0 in {len(rows):,} tasks; whether it is a NaN was not examined"
        elif rows:
            aliases = dataset.aliased.renames.aliases if dataset.aliased else None
            with Dataset(dataset.unpacked(), aliases=aliases) as every:
                suspects = len(suspect_points(every, (row[:-1] for row in rows)))
            if suspects:
                where = f"{suspects:,} task{'s' * (suspects != 1)}"
                yield f"{name} is in {where} a 0 that is probably NaN (the SDK logs NaN as 0)"
