"""Which zeros are taken for NaN, and what the answer is without them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.queries import Dataset, open_dataset
from clearml_snapshot.queries.ask.header import find
from clearml_snapshot.queries.notes.suspect_notes import SuspectZero, Unexamined
from clearml_snapshot.queries.notes.suspect_zeros import notes, suspect_zeros
from tests.support.curves import PLAIN, suspects, with_nan, with_true_zeros

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]

RARE = [0.0 if n % 25 == 24 else 1.0 + n / 100 for n in range(99)]
NOISY_AND_LOW = [2.3 / (1 + 0.5 * n) * (1.3 if n % 2 else 1.0) for n in range(60)]


def task(values: Sequence[float | None], name: str = "a") -> dict[str, Any]:
    points = [("loss", "train", 10 * at, value) for at, value in enumerate(values)]
    return {"task_id": name * 32, "points": points}


CASES: dict[str, tuple[Sequence[float | None], list[int]]] = {
    "one NaN in between": ([2.3, 1.9, 0.0, 1.7], [2]),
    "diverged, NaN to the end": ([2.3, 1.9, 50.0, 1e5, 0.0, 0.0, 0.0], [4, 5, 6]),
    "NaN after a long decay": ([*NOISY_AND_LOW, 0.0, 0.0], [60, 61]),
    "a log-likelihood": ([-1.2, -1.1, 0.0, -1.0], [2]),
    "odd neighbours are skipped": ([2.0, 1.9, 0.0, float("nan"), None, 1.8], [2]),
    "decays to 0": ([1e-3, 1e-4, 0.0], []),
    "decays exponentially": ([0.5**n for n in range(40)] + [0.0], []),
    "a linear schedule": ([1 - n / 20 for n in range(20)] + [0.0], []),
    "rounded to 4 digits": ([round(2.0 * 0.9**n, 4) for n in range(110)] + [0.0], []),
    "an accuracy starts at 0": ([0.0, 0.5, 0.6, 0.65], []),
    "nothing but 0": ([0.0, 0.0, 0.0], []),
    "collapses and grows again": ([0.9, 0.9, 0.0, 0.1, 0.3], []),
    "crosses 0": ([-1.0, -0.9, 0.0, 0.9], []),
    "a sparse reward": ([1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0], []),
    "-0.0 is 0.0": ([1.0, -0.0, 1.0, -1.0], [1]),
    "a NaN now and then": (RARE, [24, 49, 74]),
}
"""Values, and which of them are suspect."""


@pytest.fixture(scope="module")
def judged(written: MakeDataset) -> dict[str, list[int]]:
    """Give the suspect zeros of each case; all are judged at once, each in a task of its own."""
    points = {
        f"{number:032x}": [("loss", "train", 10 * at, value) for at, value in enumerate(values)]
        for number, (values, _) in enumerate(CASES.values())
    }
    folder = written([{"task_id": task_id, "points": its} for task_id, its in points.items()])
    with open_dataset(folder) as dataset:
        rows = dataset.sql("SELECT task_id, iteration FROM suspect_zeros ORDER BY ALL").fetchall()
    return {
        name: [iteration // 10 for task_id, iteration in rows if int(task_id, 16) == number]
        for number, name in enumerate(CASES)
    }


@pytest.mark.parametrize("name", CASES)
def test_suspect(judged: dict[str, list[int]], name: str) -> None:
    assert judged[name] == CASES[name][1]


def test_series_are_judged_apart(make_dataset: MakeDataset) -> None:
    folder = make_dataset([task([2.0, 1.0, 0.0, 1.0]), task([1e-3, 1e-5, 0.0], "b")])
    with open_dataset(folder) as dataset:
        zeros = dataset.sql("SELECT task_id[1], iteration FROM suspect_zeros").fetchall()
    assert zeros == [("a", 20)]


def test_a_winner_is_named_with_the_answer_without_it(make_dataset: MakeDataset) -> None:
    folder = make_dataset([task([2.3, 1.9, 0.0, 1.7]), task([1.8, 1.6, 1.75], "b")])
    with open_dataset(folder) as dataset:
        rows = dataset.rows(dataset.query("min", metric="loss"))
        assert [row["value"] for row in rows.as_dicts()] == [0.0]
        (winner,) = suspect_zeros(dataset, "min", dataset.bound("min", metric="loss"), rows)
        assert isinstance(winner, SuspectZero)
        assert (winner.row["task_id"][0], winner.row["iteration"]) == ("a", 20)
        assert winner.without is not None
        assert (winner.without["value"], winner.without["task_id"][0]) == (1.6, "b")
        assert "1.6 (`suspect_zeros='exclude'`)" in str(winner)

        by_task = dataset.rows(dataset.query("min", by="task"))
        (winner,) = suspect_zeros(dataset, "min", dataset.bound("min", by="task"), by_task)
        assert isinstance(winner, SuspectZero)
        assert winner.without is not None
        assert (winner.without["value"], winner.without["iteration"]) == (1.7, 30)


def test_winners_of_too_many_points_are_not_examined(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearml_snapshot.queries.notes.suspect_zeros._LOOKED_AT", 3)
    with open_dataset(make_dataset([task([2.3, 1.9, 0.0, 1.7]), task([1.8], "b")])) as dataset:
        rows = dataset.rows(dataset.query("min", metric="loss"))
        found = suspect_zeros(dataset, "min", dataset.bound("min", metric="loss"), rows)
    assert found == (Unexamined(n_series=1, n_points=4),)


@pytest.mark.parametrize(
    ("name", "values", "with_zeros", "without"),
    [
        ("min", [2.3, 1.9, 0.0, 1.7], (0.0, 20), (1.7, 30)),
        ("max", [-2.3, -1.9, 0.0, -2.0], (0.0, 20), (-1.9, 10)),
        ("last", [2.3, 1.9, 0.0, 0.0], (0.0, 30), (1.9, 10)),
        ("min", [1e-3, 1e-4, 0.0], (0.0, 20), (0.0, 20)),
        ("max", [0.5, 0.0, 0.7], (0.7, 20), (0.7, 20)),
    ],
)
def test_excluding(
    make_dataset: MakeDataset,
    name: str,
    values: list[float],
    with_zeros: tuple[float, int],
    without: tuple[float, int],
) -> None:
    with open_dataset(make_dataset([task(values)])) as dataset:
        for choice, expected in (("include", with_zeros), ("exclude", without)):
            (row,) = dataset.rows(dataset.query(name, suspect_zeros=choice)).as_dicts()
            assert (row["value"], row["iteration"]) == expected
            assert row["n_points"] == len(values)


def test_no_zero_no_note(make_dataset: MakeDataset) -> None:
    single = {"task_id": "c" * 32, "points": [("final", "v", None, 0.0)]}
    with open_dataset(make_dataset([task([1e-3, 1e-4, 0.0]), single])) as dataset:
        rows = dataset.rows(dataset.query("min"))
        assert [row["value"] for row in rows.as_dicts()] == [0.0, 0.0]
        assert suspect_zeros(dataset, "min", dataset.bound("min"), rows) == ()


def test_every_nan_of_eight_families_is_found() -> None:
    cases = [case for case in with_nan((20, 40, 60, 100, 150)) if case.family in PLAIN]
    suspected = suspects(cases)
    wrong = [
        (case.family, len(case.values), sorted(case.marked)[:3])
        for number, case in enumerate(cases)
        if suspected.get(number) != {*case.marked}
    ]
    assert len(cases) == 320
    assert wrong == []


def test_a_nan_early_in_a_fast_falling_loss_is_found(make_dataset: MakeDataset) -> None:
    values = [0.0 if at == 7 else 6 / (at + 1) for at in range(60)]
    with open_dataset(make_dataset([task(values)])) as dataset:
        assert dataset.sql("SELECT iteration FROM suspect_zeros").fetchall() == [(70,)]


def test_true_zeros_are_left_alone() -> None:
    cases = [*with_true_zeros((30, 100, 300), seeds=(1, 3))]
    suspected = suspects(cases)
    assert [(cases[number].family, len(cases[number].values)) for number in suspected] == []


def test_many_points_are_looked_through_first_with_the_same_result() -> None:
    cases = [*with_nan((40, 100)), *with_true_zeros((30, 100))]
    assert suspects(cases, "FROM suspects([0.0], at_once := 0)") == suspects(cases)


@pytest.mark.parametrize("deciding", ["max", "min", "last"])
def test_series_whose_deciding_value_is_no_mark_are_not_searched(deciding: str) -> None:
    cases = [*with_nan((40, 100))]
    expected = {}
    for number, found in suspects(cases).items():
        values = cases[number].values
        used = {"max": max(values), "min": min(values), "last": values[-1]}[deciding]
        if used == 0.0:
            expected[number] = found
    assert suspects(cases, f"FROM suspects([0.0], deciding := '{deciding}')") == expected


@pytest.mark.parametrize("mark", [-1.0, 1e9])
def test_what_the_user_set_counts_as_nan(mark: float) -> None:
    cases = [case for case in with_nan((60,), mark=mark) if case.family in PLAIN]
    query = f"FROM suspects([{mark}])"
    suspected = suspects(cases, query)
    assert all(suspected.get(number) == {*case.marked} for number, case in enumerate(cases))
    assert suspects(cases) == {}


# Of each task the values, and where a NaN was logged as the mark.
LOSSES = {
    "a": ([2.3, 1.9, 1.8, 1.7, 1.6], {2}),
    "b": ([1.83, 1.61, 1.75, 1.5, 1.4], {3, 4}),
    "c": ([2.25, 2.14, 1.73, 1.66, 1.2], set[int]()),
}
ACCURACIES = {
    "a": ([0.5, 0.61, 0.73, 0.72, 0.9], {3}),
    "b": ([0.41, 0.62, 0.73, 0.74, 0.75], {1}),
    "c": ([0.31, 0.45, 0.5, 0.58, 0.6], {4}),
}

QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("max", {"by": "task", "at": "loss", "metric": "accuracy"}),
    ("min", {"top": 3}),
    ("last", {"by": "task", "at": "accuracy"}),
    ("leaderboard", {"metric": "loss", "best": "lowest", "also": "accuracy"}),
    ("leaderboard", {"metric": "loss", "best": "lowest", "last": 2}),
    ("group", {"metric": "loss", "best": "lowest", "value": "last", "by": "user"}),
    ("group", {"metric": "accuracy", "best": "highest", "value": "mean"}),
    ("max", {"metric": "accuracy", "value": "mean"}),
    ("min", {"metric": "loss", "by": "task", "smooth": 0.6}),
    ("leaderboard", {"metric": "loss", "best": "lowest", "value": "median"}),
    ("group", {"metric": "loss", "best": "lowest", "smooth": 0.6}),
    ("first", {"metric": "loss", "below": 1.45}),
    ("stats", {}),
    ("compare", {"tasks": ["a" * 32, "c" * 32]}),
    ("curve", {"metric": "loss", "smooth": 0.6}),
    ("metrics", {}),
]


def history(mark: float | None) -> list[dict[str, Any]]:
    """Write the tasks with NaN as the mark, or without these points."""
    tasks = []
    for name in "abc":
        points = []
        for metric, curves in (("loss", LOSSES), ("accuracy", ACCURACIES)):
            values, marked = curves[name]
            for at, value in enumerate(values):
                if at not in marked:
                    points.append((metric, "v", at, value, at))
                elif mark is not None:
                    points.append((metric, "v", at, mark, at))
        tasks.append({"task_id": name * 32, "points": points, "user": "Ada"})
    return tasks


def answer(dataset: Dataset, name: str, typed: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Query; without what counts points, as points that are left out count in the series."""
    counts = {"n", "n_points", "last_iteration", "newest"}
    rows = dataset.rows(dataset.query(name, **typed)).as_dicts()
    return [
        {
            key: pytest.approx(cell, rel=1e-12) if isinstance(cell, float) else cell
            for key, cell in row.items()
            if key not in counts
        }
        for row in rows
    ]


def test_excluding_is_the_answer_without_these_points(make_dataset: MakeDataset) -> None:
    with (
        open_dataset(make_dataset(history(None))) as clean,
        open_dataset(make_dataset(history(0.0))) as zeros,
        open_dataset(make_dataset(history(-1.0))) as others,
    ):
        for name, typed in QUESTIONS:
            expected = answer(clean, name, typed)
            options = {**typed, "suspect_zeros": "exclude"}
            assert answer(zeros, name, options) == expected, (name, typed)
            assert answer(zeros, name, typed) != expected, (name, typed)
            if name in ("min", "group", "stats"):
                assert answer(others, name, {**options, "nan_value": [-1.0, 7.5]}) == expected


def test_an_answer_with_suspect_zeros_has_a_note(make_dataset: MakeDataset) -> None:
    def note(dataset: Dataset, name: str, options: Mapping[str, Any]) -> str:
        rows = dataset.rows(dataset.query(name, **options))
        return "\n".join(notes(dataset, find(name), dataset.bound(name, **options), rows))

    with (
        open_dataset(make_dataset(history(0.0))) as zeros,
        open_dataset(make_dataset(history(-1.0))) as others,
    ):
        for name, typed in QUESTIONS:
            text = note(zeros, name, typed)
            assert "the SDK logs NaN as 0" in text, (name, typed)
            assert "`suspect_zeros='exclude'`" in text, (name, typed)
        assert "NaN was logged as -1" in note(others, "stats", {"nan_value": -1})
        assert note(others, "stats", {}) == ""


def test_a_note_counts_values_and_tasks(make_dataset: MakeDataset) -> None:
    def notes_under(name: str, **typed: Any) -> list[str]:
        with open_dataset(make_dataset(history(0.0))) as dataset:
            rows = dataset.rows(dataset.query(name, **typed))
            return [*notes(dataset, find(name), dataset.bound(name, **typed), rows)]

    probably = "probably NaN (the SDK logs NaN as 0) and"
    assert notes_under("stats", metric="loss") == [
        f"loss/v: 3 values of 2 tasks are {probably} take part (`suspect_zeros='exclude'`)"
    ]
    assert notes_under("stats", metric="loss", suspect_zeros="exclude") == [
        f"loss/v: 3 values of 2 tasks are {probably} left out"
    ]
    best = notes_under("leaderboard", metric="loss", best="lowest")
    assert best == [
        f"loss/v: 2 values of 2 tasks are {probably} take part (`suspect_zeros='exclude'`)"
    ]
    assert notes_under("leaderboard", metric="loss", best="highest") == []
    assert notes_under("compare", tasks=["a" * 32, "c" * 32], metric="loss") == [
        f"loss/v: 1 value of 1 task is {probably} takes part (`suspect_zeros='exclude'`)"
    ]


def test_health_knows_what_the_user_set(make_dataset: MakeDataset) -> None:
    with open_dataset(make_dataset(history(-1.0))) as dataset:
        answer = dataset.query("health", kind="zero", metric="loss", nan_value=-1)
        rows = dataset.rows(answer).as_dicts()
    assert [(row["task_id"][0], row["n"]) for row in rows] == [("a", 1), ("b", 2)]


def test_what_cannot_count_as_nan(make_dataset: MakeDataset) -> None:
    with open_dataset(make_dataset(history(0.0))) as dataset:
        for wrong in (float("nan"), [0.0, float("inf")], "x"):
            with pytest.raises(UsageError, match=r"`nan_value=.*`: use a finite number"):
                dataset.query("max", nan_value=wrong)


def test_health_passes_over_suspect_zeros(make_dataset: MakeDataset) -> None:
    falling = [2.0 - n / 20 + 0.01 * (n % 3) for n in range(30)]
    early = [0.0 if n == 6 else value for n, value in enumerate(falling)]
    with open_dataset(make_dataset([task(early), task([*falling, 0.0, 0.0], "b")])) as dataset:
        rows = dataset.rows(dataset.query("health", metric="loss")).as_dicts()
    by_kind = {(row["task_id"][0], row["kind"]): row for row in rows}
    assert by_kind.keys() == {("a", "zero"), ("b", "zero"), ("b", "diverged")}
    assert by_kind["b", "diverged"]["detail"].startswith("the last value, 0, is probably a NaN; ")
    assert by_kind["b", "diverged"]["iteration"] == 310


def test_health_passes_over_what_the_user_set(make_dataset: MakeDataset) -> None:
    falling = [-1.0 if n == 6 else 2.0 - n / 20 + 0.01 * (n % 3) for n in range(30)]
    with open_dataset(make_dataset([task(falling)])) as dataset:
        kinds = {
            row["kind"] for row in dataset.rows(dataset.query("health", nan_value=-1)).as_dicts()
        }
        assert kinds == {"zero"}


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([0.3] * 40 + [0.0] * 10, id="a weight that is switched off"),
        pytest.param([0.1] * 20 + [0.01] * 20 + [0.0] * 2, id="a learning rate in steps"),
        pytest.param([950.0 + n % 7 * (n % 3) for n in range(40)] + [0.0], id="whole numbers"),
        pytest.param([0.8, 0.75, 0.8, 2 / 3, 0.75] * 8 + [0.0], id="shares of a few"),
    ],
)
def test_what_is_not_a_measurement_has_true_zeros(
    make_dataset: MakeDataset, values: list[float]
) -> None:
    with open_dataset(make_dataset([task(values)])) as dataset:
        assert dataset.sql("SELECT iteration FROM suspect_zeros").fetchall() == []
