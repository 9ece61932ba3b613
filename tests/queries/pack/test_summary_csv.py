"""summary.csv: every series with its names, as a spreadsheet takes it."""

import csv
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.pack import summary_csv, varying
from clearml_snapshot.queries.pack.summary_csv import safe, write_summary
from tests.support.nasty import nasty

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]

COLUMNS = (
    "task,task_id,project,status,tags,metric,variant,n_points,n_nonfinite,n_null,"
    "n_suspect_zeros,min,min_iteration,max,max_iteration,mean,std,first,last,last_iteration,state,web_url"
)
PARAMETERS = ",Args/lr,Args/seed,General/LR,a/b/lr"
"""What varies between the tasks of ``nasty``."""
BOM = b"\xef\xbb\xbf"


def written(data: Path, **options: Any) -> bytes:
    path = data.parent / "summary.csv"
    with open_dataset(data, **options) as dataset:
        write_summary(dataset, path)
    return path.read_bytes()


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_it_is_what_excel_reads(make_dataset: MakeDataset) -> None:
    content = written(make_dataset(nasty()))
    assert content.startswith(BOM + (COLUMNS + PARAMETERS).encode() + b"\r\n")
    assert content.count(BOM) == 1
    assert content.endswith(b"\r\n")
    assert content.count(b"\n") == content.count(b"\r\n")


def test_each_series_is_a_row_and_a_task_without_one_too(make_dataset: MakeDataset) -> None:
    data = make_dataset(nasty())
    read = rows(written(data))
    with open_dataset(data) as dataset:
        stored = dataset.rows(
            dataset.sql(
                "SELECT series.*, tasks.name AS task, project, status, state, tags FROM series "
                "JOIN tasks USING (task_id) ORDER BY project NULLS LAST, task NULLS LAST, task_id, "
                "metric, variant"
            )
        ).as_dicts()
    named = [row for row in read if row["metric"]]
    for row, series in zip(named, stored, strict=True):
        for name in ("task_id", "metric", "variant", "status", "state"):
            assert row[name] == safe(series[name])
        assert row["task"] == safe(series["task"] or "")
        assert row["tags"] == ", ".join(series["tags"] or ())
        assert row["n_points"] == str(series["n"])
        for name in ("min", "max", "mean", "std"):
            assert (float(row[name]) if row[name] else None) == series[name]
        for name in ("min_iteration", "max_iteration", "last_iteration", "n_null", "n_nonfinite"):
            assert (int(row[name]) if row[name] else None) == series[name]
    empty = [row for row in read if not row["metric"]]
    assert [(row["task"], row["state"]) for row in empty] == [
        ("empty", "complete"),
        ("failed", "failed"),
    ]
    assert all(row["n_points"] == row["min"] == row["variant"] == "" for row in empty)


COMPUTED = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r1", "\nx", "＝1", " =1"]
HIDDEN = {
    f"a{separator}{between}{formula}1": f"a{separator}{between}'{formula}1"
    for separator in (";", "\t", "|", "\n", "\r", "\r\n", "\u2028")
    for between in ("", " ", '"', "''" + '"')
    for formula in ("=", "+", "-", "@", "＝")
}
"""Names with a formula behind what another reader takes for the end of a cell."""


def test_a_text_that_would_be_computed_gets_an_apostrophe(make_dataset: MakeDataset) -> None:
    tasks = [
        {
            "task_id": f"{at:032x}",
            "name": name,
            "project_id": "b" * 32,
            "project": name,
            "status": name,
            "tags": [name, "x"],
            "web_url": name,
            "points": [(name, name, 1, -1.5)],
        }
        for at, name in enumerate(COMPUTED)
    ]
    by_task = {row["task_id"]: row for row in rows(written(make_dataset(tasks)))}
    for at, name in enumerate(COMPUTED):
        row, marked = by_task[f"{at:032x}"], "'" + name
        for column in ("task", "project", "status", "metric", "variant", "web_url"):
            assert row[column] == marked
        assert row["tags"] == marked + ", x"
        assert (row["min"], row["first"]) == ("-1.5", "-1.5")  # a number is not a formula


@pytest.mark.parametrize("separator", [";", "\t", "|", ","])
def test_no_cell_is_computed_whatever_separates_them(
    separator: str, make_dataset: MakeDataset
) -> None:
    """Read as a spreadsheet that is set to another separator does: no cell begins a formula."""
    names = [*COMPUTED, *HIDDEN, "\t=1", "\r=1", "\n=1", ";=1", '"";=1', "x;y;=1\t+2\n-3"]
    tasks = [
        {"task_id": f"{at:032x}", "name": name, "tags": ["x", name]}
        for at, name in enumerate(names)
    ]
    content = written(make_dataset(tasks)).decode("utf-8-sig")
    for lines in (content.splitlines(), io.StringIO(content, newline="")):
        cells = [cell for row in csv.reader(lines, delimiter=separator) for cell in row]
        assert [cell for cell in cells if re.match(r"\s*[=+\-@＝＋－＠]", cell)] == []


def test_a_formula_inside_a_text_gets_an_apostrophe() -> None:
    assert {name: safe(name) for name in HIDDEN} == HIDDEN
    assert safe(safe("x;=1")) == safe("x;=1")


def test_other_texts_stay_as_they_are(make_dataset: MakeDataset) -> None:
    name = 'it\'s "quoted", --, "a",\nb; 1=1 a-b <b> 🚀'
    (row,) = rows(written(make_dataset([{"task_id": "a" * 32, "name": name}])))
    assert row["task"] == name


def test_a_cell_holds_no_more_than_excel_takes() -> None:
    assert safe("a\0b") == "a␀b"
    assert len(safe("=" + "x" * 40_000)) == 32_767


VALUES = {
    "NaN": math.nan,
    "Infinity": math.inf,
    "'-Infinity": -math.inf,
    "": None,
    "0.30000000000000004": 0.1 + 0.2,
    "5e-324": 5e-324,
    "-0.0": -0.0,
}
"""Values by their cells."""


def test_numbers_are_exact_and_others_are_text(make_dataset: MakeDataset) -> None:
    tasks = [
        {"task_id": f"{at:032x}", "points": [("loss", "train", 1, v), ("loss", "train", 2, 1.0)]}
        for at, v in enumerate(VALUES.values())
    ]
    read = rows(written(make_dataset(tasks)))
    assert [row["first"] for row in read] == list(VALUES)
    assert {row["last"] for row in read} == {"1.0"}


def test_the_bytes_depend_on_nothing_but_the_snapshot(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_dataset(nasty())
    at_once = written(data, threads=4)
    monkeypatch.setattr(summary_csv, "_SERIES_AT_ONCE", 2)
    monkeypatch.setattr(summary_csv, "_SETTINGS_AT_ONCE", 1)
    monkeypatch.setattr(summary_csv, "_ROWS_AT_ONCE", 1)
    assert written(data, threads=1) == at_once


def test_without_tasks_there_is_a_header(make_dataset: MakeDataset) -> None:
    assert written(make_dataset([])) == BOM + COLUMNS.encode() + b"\r\n"


def test_values_that_are_probably_nan_are_counted(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    curves = {"a": [2.3, 1.9, 0.0, 1.7], "b": [1.0, 0.5, 0.25, 0.1]}
    data = make_dataset(
        [
            {"task_id": name * 32, "points": [("m", "v", at, x) for at, x in enumerate(curve)]}
            for name, curve in curves.items()
        ]
        + [{"task_id": "c" * 32}]
    )
    assert [row["n_suspect_zeros"] for row in rows(written(data))] == ["1", "0", ""]
    monkeypatch.setattr("clearml_snapshot.queries.notes.suspect_zeros._LOOKED_AT_FOR_A_PACK", 3)
    assert [row["n_suspect_zeros"] for row in rows(written(data))] == ["", "", ""]


def param(name: str, value: str | None, section: str = "Args") -> dict[str, Any]:
    return {"section": section, "name": name, "value": value, "type": "str"}


def with_params(*params: Mapping[str, str | None]) -> list[dict[str, Any]]:
    points = [("loss", "train", 1, 1.0), ("acc", "val", 1, 0.5)]
    return [
        {"task_id": f"{at:032x}", "points": points, "params": [param(*one) for one in each.items()]}
        for at, each in enumerate(params)
    ]


def settings_of(content: bytes) -> tuple[list[str], list[list[str]]]:
    header, *lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    fixed = COLUMNS.count(",") + 1
    return header[fixed:], [line[fixed:] for line in lines]


def test_hyperparameters_that_vary_are_columns(make_dataset: MakeDataset) -> None:
    """Numbers are compared as numbers; each row of a task has its values."""
    tasks = with_params(
        {"lr": "0.1", "seed": "1", "batch": "32", "optimiser": "adam", "old": None},
        {"lr": "1e-1", "seed": "2", "batch": "32.0", "optimiser": "sgd"},
        {"lr": "0.10", "seed": "2", "batch": "32", "only here": "-1"},
        {"lr": "0.1", "seed": None, "batch": "32"},
    )
    names, values = settings_of(written(make_dataset(tasks)))
    assert names == ["Args/old", "Args/only here", "Args/optimiser", "Args/seed"]
    assert values[::2] == values[1::2]  # two metrics
    assert values[::2] == [
        ["", "", "adam", "1"],
        ["", "", "sgd", "2"],
        ["", "-1", "", "2"],
        ["", "", "", ""],
    ]


def test_hyperparameters_are_text_to_a_spreadsheet(make_dataset: MakeDataset) -> None:
    numbers = ["-1", "-0.5", "-1e-3"]
    texts = ["-1+1", "-1\n", "=1", "x;=1", "+1", "-1,5", "--flag"]
    tasks = with_params(*({f"={at % 2}": text} for at, text in enumerate(numbers + texts)))
    for task in tasks:
        task["params"][0]["section"] = "=x"
    names, values = settings_of(written(make_dataset(tasks)))
    assert names == ["'=x/=0", "'=x/=1"]
    assert [a + b for a, b in values[::2]] == [*numbers, *map(safe, texts)]


def test_columns_of_hyperparameters_are_limited(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What differs comes before what only some have, then what most tasks have."""
    tasks = with_params(
        {"a": "1", "b": "1", "long": "x" * 501, "rare": "1"},
        {"a": "2", "b": "2", "long": "y" * 500},
        {"a": "3"},
    )
    data = make_dataset(tasks)
    names, values = settings_of(written(data))
    assert names == ["Args/a", "Args/b", "Args/long", "Args/rare"]
    assert [value[2] for value in values[::2]] == ["x" * 499 + "…", "y" * 500, ""]
    monkeypatch.setattr(varying, "COLUMNS", 2)
    assert settings_of(written(data))[0] == ["Args/a", "Args/b"]
    monkeypatch.setattr(varying, "COLUMNS", 3)
    assert settings_of(written(data))[0] == ["Args/a", "Args/b", "Args/long"]
    monkeypatch.setattr(varying, "COLUMNS", 4)
    # 6 rows, and 2 rows for each task: a adds 6 + 6, b adds 6 + 4, rare adds 6 + 2
    monkeypatch.setattr(varying, "_CHARACTERS", 12 + 10 + 8)
    assert settings_of(written(data))[0] == ["Args/a", "Args/b", "Args/rare"]
    monkeypatch.setattr(varying, "_CHARACTERS", 12 + 10 + 7)
    assert settings_of(written(data))[0] == ["Args/a", "Args/b"]
