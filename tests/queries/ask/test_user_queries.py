"""Query files of the user: found, checked, distinguished from the built-in ones, and confined."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.ask.user_queries import QUERIES_VARIABLE, folders, load
from tests.support.nasty import curve

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]

GOOD = """-- Points of a metric.
--
-- :param metric  A metric.
-- :param least   At least so large (default: any).
SELECT count(*) AS n FROM scalars
WHERE metric = $metric::VARCHAR AND ($least::DOUBLE IS NULL OR value >= $least) ORDER BY ALL;
"""


def put(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, sql in files.items():
        (folder / f"{name}.sql").write_text(sql, encoding="utf-8")
    return folder


def test_a_good_file_is_run_like_a_built_in_query(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    own = load([put(tmp_path / "q", points=GOOD, _inner="no query", b="-- B.\nSELECT 1;")])
    assert own.problems == ()
    assert list(own.queries) == ["b", "points"]
    query = own.queries["points"]
    assert (query.title, query.file) == ("Points of a metric.", tmp_path / "q" / "points.sql")
    data = make_dataset([{"task_id": "a" * 32, "points": curve([1.0, 2.0, 3.0])}])
    with open_dataset(data) as dataset:
        assert dataset.query(query, metric="LOSS", least=2.0).fetchall() == [(2,)]


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("SELECT 1;", ", line 1: no title"),
        ("-- T.\nSELECT 1\n  FROM FROM x;", ", line 3: syntax error"),
        ("-- T.\nSELECT 1;\nSELECT 2;", ", line 3: a query file must contain exactly one SELECT"),
        ("-- T.\nDROP TABLE x;", ", line 2: a query file must contain exactly one SELECT"),
        ("-- T.\nSELECT\n$x::INT;", ", line 3: the header has no `:param x"),
        (
            "-- T.\n-- :param data  Text.\nSELECT $data::INT;",
            ": every query has an option --data; rename the parameter",
        ),
    ],
)
def test_a_broken_file_is_reported_and_the_others_work(
    tmp_path: Path, sql: str, problem: str
) -> None:
    folder = put(tmp_path / "q", broken=sql, points=GOOD)
    own = load([folder], reserved={"data"})
    assert list(own.queries) == ["points"]
    (broken,) = own.problems
    assert broken.startswith(f"{folder / 'broken.sql'}{problem}")
    assert "\n" not in broken


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    folder = put(tmp_path / "q", **{"Über alles": GOOD})
    (folder / "latin.sql").write_bytes(b"-- Caf\xe9.\nSELECT 1;")
    (folder / "folder.sql").mkdir()
    (folder / "bom.sql").write_text("-- T.\nSELECT 1;", encoding="utf-8-sig")
    own = load([folder])
    assert list(own.queries) == ["bom"]
    assert [p.removeprefix(f"{folder}/") for p in own.problems] == [
        "latin.sql: not UTF-8 text; save it as UTF-8",
        (
            "Über alles.sql: the name of a query may contain only lower case letters, digits, - "
            "and _; rename the file"
        ),
    ]


def test_nothing_is_shadowed_silently(tmp_path: Path) -> None:
    first = put(tmp_path / "one", max=GOOD, points=GOOD)
    own = load([first, put(tmp_path / "two", points="-- Others.\nSELECT 1;")])
    assert own.queries["points"].title == "Points of a metric."
    ours, twice = own.problems
    assert ours.startswith(f"{first}/max.sql: max is a query that comes with clearml-snapshot")
    assert f"{first / 'points.sql'} has this name already" in twice


def test_folders(tmp_path: Path, make_dataset: MakeDataset) -> None:
    data = make_dataset([])
    first, second = put(tmp_path / "1"), put(tmp_path / "2")
    beside = put(data / "queries")
    environment = {QUERIES_VARIABLE: f"{second}{os.pathsep}{os.pathsep}{first}"}
    assert folders([first], data, environment) == (first, second, beside)
    assert folders([], tmp_path, {}) == (), "queries/ counts only beside snapshots/"
    assert folders([beside], data, {}) == (beside,)
    with pytest.raises(UsageError, match=r"missing is not a folder of queries; create it"):
        folders([tmp_path / "missing"], data, {})


@pytest.mark.parametrize(
    "reach",
    [
        "read_text('{secret}')",
        "read_csv('{secret}')",
        "glob('{secret}')",
        "'{secret}'",
        "read_csv('{linked}')",
    ],
)
def test_they_see_the_snapshot_and_nothing_else(
    make_dataset: MakeDataset, tmp_path: Path, reach: str
) -> None:
    secret, data = tmp_path / "secret.csv", make_dataset([{"task_id": "a" * 32}])
    secret.write_text("a,b\n1,2\n")
    linked = data / "linked.csv"
    linked.symlink_to(secret)
    sql = f"-- T.\nSELECT * FROM {reach.format(secret=secret, linked=linked)} ORDER BY ALL;"
    query = load([put(tmp_path / "q", nosy=sql)]).queries["nosy"]
    with open_dataset(data) as dataset, pytest.raises(UsageError):
        dataset.rows(dataset.sql(query.sql))
