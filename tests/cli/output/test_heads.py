"""What ``--columns`` may be given: the names of columns, and the heads that tables have."""

import pytest

from clearml_snapshot.cli.output.tables.heads import chosen_columns
from clearml_snapshot.queries.ask.answer_columns import AnswerColumns

COLUMNS = (
    "metric",
    "General/model/name",
    "Args/lr",
    "Eval/lr",
    "Args/learning_rate",
    "vit-small retry",
    "n",
    "mean",
    "std",
)
ANSWER = AnswerColumns(
    spreads=(("mean", "std"), ("p50", "spread")),
    legend=(("vit-small", "vit-small (aa)"), ("vit-small retry", "vit-small retry (bb)")),
)


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("metric", ("metric",)),
        ("name", ("General/model/name",)),
        ("model/name", ("General/model/name",)),
        ("mod…name", ("General/model/name",)),
        ("lr", ("lr",)),
        ("learn…rate", ("Args/learning_rate",)),
        ("Args/lea…rate", ("Args/learning_rate",)),
        ("vit-…try", ("vit-small retry",)),
        ("…r", ("…r",)),
        ("B", ("vit-small retry",)),
        ("mean ± std", ("mean", "std")),
        ("mean±std", ("mean", "std")),
        ("p50 ± spread", ("p50 ± spread",)),
        ("Args/*", ("Args/lr", "Args/learning_rate")),
        ("*lr", ("Args/lr", "Eval/lr")),
        ("nothing*", ("nothing*",)),
    ],
)
def test_a_head_is_its_column(typed: str, names: tuple[str, ...]) -> None:
    chosen = chosen_columns([typed], COLUMNS, ANSWER)
    assert (chosen.names, chosen.are_exact) == (names, True)
    assert chosen.spreads == ((("mean", "std"),) if "mean" in names and len(names) > 1 else ())


def test_a_columns_own_name_comes_first() -> None:
    columns = ("name", "Args/name", "B", "mean ± std", "mean", "std")
    typed = ["name", "B", "mean ± std"]
    assert chosen_columns(typed, columns, ANSWER).names == tuple(typed)
