"""Which zeros are taken for NaN, and what the answer is without them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.zeros import suspect_zeros

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]

RARE = [0.0 if n % 25 == 24 else 1.0 + n / 100 for n in range(99)]
NOISY_AND_LOW = [2.3 / (1 + 0.5 * n) * (1.3 if n % 2 else 1.0) for n in range(60)]


def task(values: Sequence[float | None], name: str = "a") -> dict[str, Any]:
    points = [("loss", "train", 10 * at, value) for at, value in enumerate(values)]
    return {"task_id": name * 32, "points": points}


@pytest.mark.parametrize(
    ("values", "suspect"),
    [
        pytest.param([2.3, 1.9, 0.0, 1.7], [2], id="one NaN in between"),
        pytest.param(
            [2.3, 1.9, 50.0, 1e5, 0.0, 0.0, 0.0], [4, 5, 6], id="diverged, NaN to the end"
        ),
        pytest.param([*NOISY_AND_LOW, 0.0, 0.0], [60, 61], id="NaN after a long decay"),
        pytest.param([-1.2, -1.1, 0.0, -1.0], [2], id="a log-likelihood"),
        pytest.param(
            [2.0, 1.9, 0.0, float("nan"), None, 1.8], [2], id="odd neighbours are skipped"
        ),
        pytest.param([1e-3, 1e-4, 0.0], [], id="decays to 0"),
        pytest.param([0.5**n for n in range(40)] + [0.0], [], id="decays exponentially"),
        pytest.param([1 - n / 20 for n in range(20)] + [0.0], [], id="a linear schedule"),
        pytest.param(
            [round(2.0 * 0.9**n, 4) for n in range(110)] + [0.0], [], id="rounded to 4 digits"
        ),
        pytest.param([0.0, 0.5, 0.6, 0.65], [], id="an accuracy starts at 0"),
        pytest.param([0.0, 0.0, 0.0], [], id="nothing but 0"),
        pytest.param([0.9, 0.9, 0.0, 0.1, 0.3], [], id="collapses and grows again"),
        pytest.param([-1.0, -0.9, 0.0, 0.9], [], id="crosses 0"),
        pytest.param([1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0], [], id="a sparse reward"),
        pytest.param([1.0, -0.0, 1.0, -1.0], [1], id="-0.0 is 0.0"),
        pytest.param(RARE, [24, 49, 74], id="a NaN now and then"),
    ],
)
def test_suspect(make_dataset: MakeDataset, values: list[float], suspect: list[int]) -> None:
    with open_dataset(make_dataset([task(values)])) as dataset:
        found = dataset.sql("SELECT iteration FROM suspect_zeros ORDER BY ALL").fetchall()
    assert [iteration // 10 for (iteration,) in found] == suspect


def test_series_are_judged_apart(make_dataset: MakeDataset) -> None:
    folder = make_dataset([task([2.0, 1.0, 0.0, 1.0]), task([1e-3, 1e-5, 0.0], "b")])
    with open_dataset(folder) as dataset:
        found = dataset.sql("SELECT task_id[1], iteration FROM suspect_zeros").fetchall()
    assert found == [("a", 20)]


def test_a_winner_is_named_with_the_answer_without_it(make_dataset: MakeDataset) -> None:
    folder = make_dataset([task([2.3, 1.9, 0.0, 1.7]), task([1.8, 1.6, 1.75], "b")])
    with open_dataset(folder) as dataset:
        rows = dataset.rows(dataset.query("min", metric="loss"))
        assert [row["value"] for row in rows.as_dicts()] == [0.0]
        (found,) = suspect_zeros(dataset, "min", {"metric": "loss"}, rows)
        assert (found.row["task_id"][0], found.row["iteration"]) == ("a", 20)
        assert found.without is not None
        assert (found.without["value"], found.without["task_id"][0]) == (1.6, "b")
        assert "1.6 (--suspect-zeros exclude)" in str(found)

        by_task = dataset.rows(dataset.query("min", by="task"))
        (found,) = suspect_zeros(dataset, "min", {"by": "task"}, by_task)
        assert found.without is not None
        assert (found.without["value"], found.without["iteration"]) == (1.7, 30)


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
        assert suspect_zeros(dataset, "min", {}, rows) == ()
