"""Which values of a metric are better, guessed from its name."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.header import Query
from clearml_snapshot.queries.ask.parameters import (
    BEST,
    EXCLUDED,
    ExistingNames,
    chosen_pairs,
    needed_best,
    texts,
)

Direction = Literal["highest", "lowest"]

_HIGH_NAMES: Final = """
    acc acc1 acc5 accuracy auc aucpr auprc auroc ap map mar f1 f2 fscore fbeta precision recall
    sensitivity specificity iou miou jaccard dice bleu rouge meteor cider chrf psnr ssim r2 reward
    rewards return returns success top1 top5 hits ndcg mrr kappa mcc elo
"""
_LOW_NAMES: Final = """
    loss losses error errors err mae mse rmse rmsle mape smape wer cer eer fid kid lpips nll bce
    perplexity ppl regret brier crossentropy xent
"""
_UP: Final = frozenset(_HIGH_NAMES.split())
_DOWN: Final = frozenset(_LOW_NAMES.split())
_CROSS_ENTROPY: Final = frozenset({"cross", "entropy"})
_TURNED: Final = frozenset({"neg", "negative", "inverse", "minus"})
_WORD: Final = re.compile(r"[A-Z]?[a-z]+[0-9]*|[A-Z]+[0-9]*(?![a-z])")
_NAMED: Final = 2
"""Metrics that a message names."""


def guess(metric: str, variant: str) -> Direction | None:
    """Guess whether high or low values of a series are better; None if its name does not tell.

    A name that says both, such as ``reward_loss``, or is turned around, such as ``neg_mse``, does
    not tell.
    """
    words = {word.casefold() for text in (metric, variant) for word in _words(text)}
    is_up, is_down = bool(words & _UP), bool(words & _DOWN) or words >= _CROSS_ENTROPY
    if is_up == is_down or words & _TURNED:
        return None
    return "highest" if is_up else "lowest"


def guessed_best(
    query: Query, given: Mapping[str, Any], names: ExistingNames
) -> dict[str, Direction]:
    """Return the guess of ``guess_best`` as an argument; empty if there is none."""
    direction = guess_best(query, given, names)
    return {} if direction is None else {BEST: direction}


def guess_note(guessed: Mapping[str, Direction]) -> tuple[str, ...]:
    """Say what ``guessed_best`` guessed, in at most one line."""
    return tuple(
        f"{setting(name, direction)} was guessed from the name of the metric"
        for name, direction in guessed.items()
    )


def guess_best(query: Query, given: Mapping[str, Any], names: ExistingNames) -> Direction | None:
    """Guess ``best`` for a query that needs it, from the metrics that were typed.

    Returns:
        None if the query has no such parameter, it was given, or no metric was.

    Raises:
        UsageError: the names do not tell, or not the same of all metrics.
    """
    needed = "".join(needed_best(param) for param in query.params if not param.optional)
    if not needed or given.get(BEST) is not None or not given.get("metric"):
        return None
    pairs = chosen_pairs(
        texts(given["metric"]),
        texts(given.get("variant")),
        names.series_names,
        excluded=texts(given.get(EXCLUDED)),
    )
    direction = common_guess(pairs)
    if direction is None:
        raise UsageError(f"query {query.name} needs {needed}: {why_no_guess(pairs)}")
    return direction


def common_guess(pairs: Iterable[tuple[str, str]]) -> Direction | None:
    """Guess which values of all these series are better; None if the names do not agree."""
    guesses = {guess(*pair) for pair in pairs}
    return guesses.pop() if len(guesses) == 1 else None


def why_no_guess(pairs: Iterable[tuple[str, str]]) -> str:
    """Explain why ``common_guess`` gave none for these series."""
    guesses = {"/".join(pair): guess(*pair) for pair in pairs}
    unknown = [name for name, direction in guesses.items() if direction is None]
    if unknown:
        listed = ", ".join(unknown[:_NAMED]) + " …" * (len(unknown) > _NAMED)
        return f"{listed} does not say whether high or low values are better"
    up = next(name for name, direction in guesses.items() if direction == "highest")
    down = next(name for name, direction in guesses.items() if direction == "lowest")
    return f"high values of {up} and low values of {down} are better"


def for_the_top(pairs: Iterable[tuple[str, str]]) -> UsageError:
    """Make the error that the best few were asked for and ``common_guess`` gave no direction."""
    ways = f"{setting(BEST, 'max')} or {setting(BEST, 'min')}"
    return UsageError(f"{setting('top')} needs {ways}: {why_no_guess(pairs)}")


def direction_of(word: str | None) -> Direction | None:
    """Return what a word for the better values means: ``max`` is ``highest``."""
    words: Mapping[str | None, Direction] = {
        "highest": "highest", "max": "highest", "lowest": "lowest", "min": "lowest",
    }  # fmt: skip
    return words.get(word)


def _words(text: str) -> list[str]:
    """Divide a name into words: ``valLoss``, ``val_loss`` and ``val-loss`` have the same two.

    ``IoU`` is one as well as two.
    """
    return [*_WORD.findall(text), *re.findall(r"[^\W_]+", text)]
