"""`diff` as it is typed: which snapshots, the page, and the other forms."""

import csv
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.store.copying.copy import copy
from clearml_snapshot.exporter.store.format.schema import SCALARS
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.parts.staging import PointBuffer
from clearml_snapshot.exporter.store.writing.dataset import writing
from tests.support.buckets import Store

Capture = pytest.CaptureFixture[str]
Points = Mapping[tuple[str, str], Sequence[float]]

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ODD = "bad \x1b[2J\n😀 \u202e name that goes on and on and on"
LONG = "a metric with a name that leaves no room for anything else"
_LOSS = '{"asked": ["loss"], "metrics": [{"metric": "loss"}]}'
A, B, C, D, E, F = (letter * 32 for letter in "abcdef")

_BEFORE: list[tuple[dict[str, Any], Points]] = [
    ({"task_id": A, "name": "fine"}, {("loss", "train"): [0.5, 0.25], (":monitor:m", "x"): [1]}),
    ({"task_id": B, "name": ODD}, {("loss", "train"): [1.0], (LONG, LONG): [1 / 3]}),
    ({"task_id": C, "name": "lost"}, {("acc", "val"): [0.5]}),
    ({"task_id": D, "name": "other question"}, {("acc", "val"): [0.75]}),
    ({"task_id": E, "name": "the same"}, {}),
]
_READ_AGAIN: list[tuple[dict[str, Any], Points]] = [
    (
        {"task_id": A, "name": "fine", "status": "completed", "last_update": NOW},
        {("loss", "train"): [0.5, 2.0, 0.125], (":monitor:m", "x"): [2]},
    ),
    (
        {"task_id": B, "name": ODD, "state": "shrunk", "reason": "why"},
        {(LONG, LONG): [1 / 3 + 1e-9]},
    ),
    ({"task_id": C, "name": "lost", "state": "gone", "reason": "r"}, {("acc", "val"): [0.5]}),
    ({"task_id": D, "name": "other question", "metric_filter": _LOSS}, {}),
    ({"task_id": F, "name": "young", "state": "partial"}, {("f1", "x"): [0.5]}),
]


def _points(task_id: str, values: Points) -> pa.Table:
    rows = [
        (task_id, metric, variant, at, NOW, value, "w")
        for (metric, variant), column in values.items()
        for at, value in enumerate(column)
    ]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(SCALARS)
    arrays = [pa.array(column, f.type) for column, f in zip(columns, SCALARS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCALARS)


def _export(data: Path, tasks: Sequence[tuple[dict[str, Any], Points]], host: str) -> None:
    with writing(data) as dataset:
        stage = dataset.new_stage()
        for row, values in tasks:
            buffer = PointBuffer(stage, None)
            buffer.add(_points(row["task_id"], values))
            export = {"server_id": host, "state": "complete", "fetched_at": NOW, "fingerprint": "f"}
            stage.add({**export, **row}, [], buffer.finish())
        run = {"export_id": str(datetime.now()), "started": NOW, "result": "complete"}
        dataset.commit(stage, server={"host": host}, selections=[], export_row=run)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two exports."""
    folder = tmp_path_factory.mktemp("diff") / "data"
    _export(folder, _BEFORE, "http://x")
    _export(folder, _READ_AGAIN, "http://x")
    return folder


@pytest.fixture
def copied(data: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Copy the dataset to a bucket, and return its address."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copy(str(data), store.at())
    return store.at()


def _typed(*arguments: object, data: Path) -> int:
    return main(["diff", *map(str, arguments), "--data", str(data)])


def _made(data: Path, which: int) -> str:
    return f"snapshot {which}, {open_snapshot(data, which).created_at:%Y-%m-%d %H:%M} UTC"


def test_diff_is_one_page(data: Path, capsys: Capture) -> None:
    assert _typed(data=data) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines == [
        f"dataset     {data}",
        f"before      {_made(data, 1)}",
        f"after       {_made(data, 2)}",
        "tasks       1 new, 4 changed, 0 gone, 1 the same",
        "            1 of the changed was exported with another metric filter",
        "points      2 new, 3 changed, 2 gone, 2 the same",
        r"changed   bbbbbbbb  bad \x1b[2J\n😀 \u202e n…: server lost points, points -1, 1 …",
        "changed   cccccccc  lost: gone from the server",
        "changed   aaaaaaaa  fine: points +1, 2 changed, status",
        "changed   dddddddd  other question: other metric filter, points -1",
        "new       ffffffff  young: partial, points +1",
        "maxima      a metric with…: 0.3333333333333333 to 0.33333333433333334 (bbbbbbbb)",
        "            acc/val: 0.75 (dddddddd) to 0.5 (cccccccc)",
        "            f1/x: none to 0.5 (ffffffff)",
        "            loss/train: 1 (bbbbbbbb) to 2 (aaaaaaaa)",
        "            and 1 of :monitor:",
    ]
    assert all(len(line) <= 80 for line in lines[1:])
    assert printed.err == ""


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        (("-1",), (1, 2)),
        (("1",), (1, 2)),
        (("2", "-1"), (2, 1)),
        (("--quiet", "-1", "2"), (1, 2)),
        (("--", "-1", "2"), (1, 2)),
        (("2100-01-01",), (2, 2)),
    ],
)
def test_snapshots_of_the_dataset(
    data: Path, typed: Sequence[str], numbers: tuple[int, int], capsys: Capture
) -> None:
    arguments = ["--data", str(data), "--format", "json", *typed]
    assert main(["diff", *arguments]) == 0
    page = json.loads(capsys.readouterr().out)
    assert (page["before"]["number"], page["after"]["number"]) == numbers


def test_paths(data: Path, tmp_path: Path, capsys: Capture) -> None:
    copied = tmp_path / "3"
    shutil.copytree(open_snapshot(data, 1).root, copied)
    assert _typed(copied, data=data) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        f"before      {_made(data, 1)}",
        f"            {copied}",
        f"after       {_made(data, 2)}",
        f"            {data}",
    ]
    assert _typed(data, copied, data=tmp_path / "nothing") == 0
    assert capsys.readouterr().out.splitlines()[0] == f"before      {_made(data, 2)}"


def test_a_pack(data: Path, tmp_path: Path, capsys: Capture) -> None:
    pack = tmp_path / "all.zip"
    assert main(["pack", "-o", str(pack), "--data", str(data), "--quiet"]) == 0
    part = tmp_path / "part"
    assert main(["pack", "-o", str(part), "--metric", "acc", "--data", str(data), "--quiet"]) == 0
    capsys.readouterr()
    assert _typed(pack, "--format", "json", data=data) == 0
    page = json.loads(capsys.readouterr().out)
    assert (page["before"]["place"], page["tasks_same"], page["tasks"]) == (str(pack), 6, [])
    assert _typed(pack, part, data=data) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"            {pack}"
    assert lines[4:7] == [
        "tasks       0 new, 6 changed, 0 gone, 0 the same",
        "            6 of the changed were exported with another metric filter",
        "points      0 new, 0 changed, 6 gone, 1 the same",
    ]


def test_what_cannot_be_meant(data: Path, tmp_path: Path, capsys: Capture) -> None:
    for arguments, code, text in [
        (["-7"], 2, "has no snapshot -7; available: 1, 2 (export with --keep keeps more)"),
        (["dta"], 2, "dta does not exist; give a path, or a snapshot of --data"),
        (["-1", "--bi", "task"], 2, "no such option: --bi; did you mean --by"),
        (["-x"], 2, "no such option: -x"),
        (["--query-timeout", "-1"], 2, "-1.0 is less than 0"),
        (["1", "2", "3"], 2, "got unexpected extra argument(s) (3)"),
        (["--format", "csv"], 2, "diff prints a page; use --by for a table"),
        (["-o", "no/page.csv"], 2, "diff prints a page; use --by for a table"),
        (["-o", "no/page.duckdb"], 2, "diff prints a page; use --by for a table"),
        (["--project", "nope"], 2, "nope"),
    ]:
        assert _typed(*arguments, data=data) == code
        printed = capsys.readouterr()
        assert text in printed.err
        assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert main(["diff", "--data", "-1"]) == 2
    assert "no dataset at -1;" in capsys.readouterr().err
    single = tmp_path / "one"
    _export(single, [], "http://x")
    assert _typed(data=single) == 2
    assert "has no snapshot -1; available: 1 (export with --keep" in capsys.readouterr().err


def test_tables(data: Path, tmp_path: Path, capsys: Capture) -> None:
    assert _typed("--by", "task", data=data) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["change"], row["task_id"][0], row["state_after"]) for row in rows] == [
        ("changed", "b", "shrunk"),
        ("changed", "c", "gone"),
        ("changed", "a", "complete"),
        ("changed", "d", "complete"),
        ("new", "f", "partial"),
    ]
    assert json.loads(rows[2]["columns_changed"]) == ["last_update", "status"]
    assert _typed("--by", "series", "-o", tmp_path / "series.json", data=data) == 0
    series = json.loads((tmp_path / "series.json").read_text())
    assert [(row["metric"], row["n_before"], row["n_after"]) for row in series] == [
        (":monitor:m", 1, 1),
        ("loss", 2, 3),
        (LONG, 1, 1),
        ("loss", 1, None),
        ("acc", 1, None),
        ("f1", None, 1),
    ]
    assert _typed("--by", "metric", "--format", "jsonl", data=data) == 0
    first, *_ = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["metric"], first["task_after"]) == (LONG, ODD)


def test_one_object(data: Path, tmp_path: Path) -> None:
    assert _typed("-1", "-o", tmp_path / "diff.json", data=data) == 0
    page = json.loads((tmp_path / "diff.json").read_text())
    assert (page["points_new"], page["maxima_moved"]) == (2, 5)
    assert page["tasks"][1]["state_after"] == "gone"


def test_the_page_goes_where_it_is_sent(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _typed("-o", "-", data=data) == 0
    page = capsys.readouterr().out
    assert page.startswith("dataset ")
    assert _typed("-o", "page.log", data=data) == 0
    assert capsys.readouterr().out == ""
    assert [path.read_text() for path in tmp_path.iterdir()] == [page]


def test_columns_that_follow_are_reported_if_nothing_else_differs(
    tmp_path: Path, capsys: Capture
) -> None:
    """Whoever reads of new points knows that the task was updated then."""
    was: list[tuple[dict[str, Any], Points]] = [
        ({"task_id": A, "name": "grew"}, {("loss", "train"): [1.0]}),
        ({"task_id": B, "name": "touched"}, {}),
    ]
    now: list[tuple[dict[str, Any], Points]] = [
        ({**was[0][0], "last_update": NOW, "points_expected": 2}, {("loss", "train"): [1.0, 2.0]}),
        ({**was[1][0], "last_update": NOW}, {}),
    ]
    for tasks in (was, now):
        _export(tmp_path / "data", tasks, "http://x")
    assert _typed(data=tmp_path / "data") == 0
    assert capsys.readouterr().out.splitlines()[5:7] == [
        "changed   aaaaaaaa  grew: points +1",
        "changed   bbbbbbbb  touched: last_update",
    ]


def test_another_server_is_reported(data: Path, tmp_path: Path, capsys: Capture) -> None:
    other = tmp_path / "other"
    _export(other, _BEFORE, "http://y")
    assert _typed(other, data=data) == 0
    warning = "before is of the server http://y, after of http://x\n"
    assert capsys.readouterr().err == warning
    assert _typed(other, "--quiet", "--task", A, data=data) == 0
    printed = capsys.readouterr()
    assert printed.err == warning
    assert "tasks       0 new, 1 changed, 0 gone, 0 the same" in printed.out


def test_no_difference(data: Path, capsys: Capture) -> None:
    assert _typed("2", data=data) == 0
    assert capsys.readouterr().out.splitlines()[3:] == [
        "tasks       0 new, 0 changed, 0 gone, 6 the same",
        "points      0 new, 0 changed, 0 gone, 7 the same",
        "maxima      none changed",
    ]


def test_a_maximum_of_0_may_be_a_nan(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "data"
    for values in ([-2.5, -1.5, -1.25], [-2.5, -1.5, -1.25, 0.0, -1.2]):
        task = {"task_id": A, "name": "one"}
        _export(folder, [(task, {("ll", "x"): values})], "http://x")
    assert _typed(data=folder) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [
        "maxima      ll/x: -1.25 to 0 (aaaaaaaa)",
        "            a maximum of 0 may be a NaN that was logged as 0; query max reports it",
    ]


@pytest.mark.parametrize(
    "typed",
    [
        (),
        ("--format", "json"),
        ("--by", "series", "--format", "csv"),
        ("--by", "task", "--format", "json"),
        ("--by", "metric"),
        ("--task", A, "--task", F),
        ("2", "2"),
        ("--task", "z" * 32),
    ],
    ids=" ".join,
)
def test_a_bucket_gives_the_same(
    copied: str, data: Path, typed: Sequence[str], capsys: Capture
) -> None:
    address = copied
    said = []
    for place in (str(data), address):
        code = main(["diff", *typed, "--data", place])
        text = capsys.readouterr()
        shown = text.out + text.err
        for number in (1, 2):
            shown = shown.replace(str(open_snapshot(data, number).root), "AT")
        said.append((code, shown.replace(place, "AT")))
    assert said[0] == said[1]


def test_a_bucket_beside_a_folder(copied: str, data: Path, capsys: Capture) -> None:
    address = copied
    before = open_snapshot(data, 1).root
    said = []
    for after in (str(data), address):
        assert main(["diff", str(before), after, "--format", "json"]) == 0
        page = json.loads(capsys.readouterr().out)
        said.append((page["before"], {**page["after"], "place": ""}, page["tasks"]))
    assert said[0] == said[1]
    assert main(["diff", address, str(data)]) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"            {address}"


def test_files_that_both_snapshots_have_are_not_fetched(
    copied: str, data: Path, store: Store, capsys: Capture
) -> None:
    address = copied
    ours = {entry.sha256 for entry in open_snapshot(data, 1).files}
    theirs = {entry.sha256 for entry in open_snapshot(data, 2).files}
    store.proxy.seen.requests.clear()
    assert main(["diff", "--data", address]) == 0
    scalars = [key for _, key in store.proxy.seen.requests if "files/scalars" in key]
    assert scalars
    assert not [key for key in scalars if any(digest in key for digest in ours & theirs)]


def test_what_cannot_be_read_in_a_bucket_is_one_line(
    copied: str, store: Store, capsys: Capture
) -> None:
    address = copied
    store.fault("status", method="GET", key="files/scalars", status=403, code="AccessDenied")
    assert main(["diff", "--data", address]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: no permission to read {address}")
    assert error.count("\n") == 1
    assert main(["diff", "--data", address, "7"]) == 2
    assert f"{address} has no snapshot 7" in capsys.readouterr().err
