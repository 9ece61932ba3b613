"""Figures of any answer: the columns that are drawn, and what cannot be."""

from typing import Any

import pytest

from clearml_snapshot.exporter.errors import NoSuchNameError, SnapshotError, UsageError
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.figures.answers import answer_figure
from clearml_snapshot.queries.figures.look import Look
from clearml_snapshot.queries.figures.model import Figure
from tests.support.chosen import MakeDataset

NAN = "'nan'::DOUBLE"


@pytest.fixture
def draw(make_dataset: MakeDataset) -> Any:
    folder = make_dataset([{"task_id": "a" * 32, "points": [("m", "v", 0, 1.0)]}])

    def drawn(statement: str, *columns: str) -> Figure:
        with open_dataset(folder) as dataset:
            return answer_figure(dataset, dataset.sql(statement), columns, Look())

    return drawn


def test_each_value_of_the_colour_is_a_curve_and_numbers_are_sorted(draw: Any) -> None:
    rows = "(1, 3.0, 16), (2, 4.0, 16), (1, 5.0, 128), (1, 6.0, 2), (NULL, 1.0, 2)"
    figure = draw(f"SELECT * FROM (VALUES {rows}) AS t(a, b, c)", "a", "b", "c")
    [panel] = figure.panels
    assert (panel.title, panel.x.title) == ("b", "a")
    assert [(curve.label, curve.points.value) for curve in panel.curves] == [
        ("2", (6.0,)),
        ("16", (3.0, 4.0)),
        ("128", (5.0,)),
    ]


def test_times_numbers_and_what_is_not_finite(draw: Any) -> None:
    times = "SELECT TIMESTAMPTZ '2026-01-01' + to_hours(i) AS t, i AS n FROM range(3) AS r(i)"
    [panel] = draw(times, "t", "n").panels
    assert panel.x.is_time
    assert [x - panel.curves[0].points.x[0] for x in panel.curves[0].points.x] == [0, 3600, 7200]
    [panel] = draw(
        f"SELECT unnest([1, 2, 3]) AS x, unnest([1.0, {NAN}, NULL]) AS y", "x", "y"
    ).panels
    assert panel.curves[0].points.not_finite == (2, 3)
    assert panel.curves[0].label == "y"


def test_many_colours_are_grey_and_hostile_ones_harmless(draw: Any) -> None:
    figure = draw("SELECT i AS a, i AS b, i AS c FROM range(13) AS r(i)", "a", "b", "c")
    assert all(curve.is_faint for curve in figure.panels[0].curves)
    assert figure.notes[0] == "13 colours are too many to tell apart: the curves are grey"
    figure = draw("SELECT 1 AS a, 2 AS b, chr(27) || repeat('x', 8000) AS c", "a", "b", "c")
    [curve] = figure.panels[0].curves
    assert "\x1b" not in curve.label
    assert len(curve.label) < 100


@pytest.mark.parametrize(
    ("statement", "columns", "error", "message"),
    [
        ("SELECT 1 AS a, 'x' AS b", ("a", "b"), UsageError, "b has no numbers"),
        ("SELECT 'x' AS a, 1 AS b", ("a", "b"), UsageError, "a has no numbers and no times"),
        ("SELECT INTERVAL 1 DAY AS a, 1 AS b", ("a", "b"), UsageError, "a has no numbers"),
        ("SELECT [1] AS a, 1 AS b", ("a", "b"), UsageError, "a has no numbers"),
        ("SELECT 1 AS a, 1 AS b", ("a", "bb"), NoSuchNameError, "no column 'bb'; did you mean 'b'"),
        (
            "SELECT 1 AS a, 1 AS b WHERE false",
            ("a", "b"),
            SnapshotError,
            "the answer has no points",
        ),
        ("SELECT i AS a, i AS b FROM range(1001) r(i)", ("a", "b", "a"), UsageError, "too many"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(
    draw: Any, statement: str, columns: tuple[str, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        draw(statement, *columns)
