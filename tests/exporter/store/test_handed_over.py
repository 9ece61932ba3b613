"""A copied snapshot is opened as its README describes: the numbers are right.

The README's own examples are run, inside the copy, and compared with the plain data below.
"""

import contextlib
import math
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pytest

from clearml_snapshot.exporter.store.parts.staging import PointBuffer
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.pack.pack import pack
from tests.support.programs import find_program

NAN, INF = math.nan, math.inf
NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
AWKWARD: Final = "metric=loss/ñ 2024 [a]*"
"""Where copies land; ``=`` looks like a partition, and the rest like a pattern."""

LAST, OTHER = "zoë's; metric", "loss"
MONITOR: Final = (":monitor:gpu", "gpu_0_utilization")
TASKS: Final[Mapping[str, tuple[str | None, str | None, dict[tuple[str, str], list[Any]]]]] = {
    "a" * 32: ("2024", 'résumé "a"', {(LAST, "val"): [0.5, NAN, 0.9, INF, None]}),
    "b" * 32: ("2024", "b", {(LAST, "val"): [0.9], (OTHER, "train"): [2.0, -INF, 1.0]}),
    "c" * 32: ("a b/ü%", None, {(OTHER, "train"): [4.0, NAN], (OTHER, "val"): [NAN, None]}),
    "d" * 32: (None, "b", {(LAST, "val"): [0.25], (OTHER, "test"): [-1e300], MONITOR: [99.0]}),
    "e" * 32: ("0" * 32, "no points", {}),
}
"""Task id: project id, name, and the values of each series from iteration 0 on."""

SINGLE: Final = ("b" * 32, "Summary", "f1", None, 0.75)


@pytest.fixture(scope="module")
def snapshot(
    tmp_path_factory: pytest.TempPathFactory,
    points: Callable[[Any], pa.Table],
    task_row: Callable[..., dict[str, Any]],
    export_row: Callable[[str], dict[str, Any]],
) -> Path:
    """A snapshot folder of the tasks above; its table of hyperparameters is empty."""
    data = tmp_path_factory.mktemp("given") / "data"
    with writing(data) as dataset:
        stage = dataset.new_stage()
        for task_id, (project_id, name, _) in TASKS.items():
            buffer = PointBuffer(stage, project_id)
            buffer.add(points([row for row in _rows() if row[0] == task_id]))
            n = sum(row[0] == task_id for row in _rows())
            stage.add(
                task_row(task_id, project_id, name=name, points_stored=n), [], buffer.finish()
            )
        server = {"host": "http://localhost:8008"}
        snapshot = dataset.commit(
            stage, server=server, selections=[], export_row=export_row("export")
        )
    return snapshot.root


def _rows() -> list[tuple[Any, ...]]:
    """Every point as a row of ``scalars``."""
    rows = [
        (task_id, metric, variant, iteration, value)
        for task_id, (_, _, series) in TASKS.items()
        for (metric, variant), values in series.items()
        for iteration, value in enumerate(values)
    ]
    return [
        (*row[:4], NOW + timedelta(seconds=row[3] or 0), row[4], "w") for row in [*rows, SINGLE]
    ]


def _best() -> list[dict[str, Any]]:
    """The highest finite value of each metric and variant; of equal ones the lowest task id."""
    best: dict[tuple[str, str], tuple[float, str]] = {}
    for task_id, metric, variant, _, _, value, _ in sorted(_rows(), key=lambda row: str(row[0])):
        highest, _ = best.get((metric, variant), (-INF, ""))
        if value is not None and math.isfinite(value) and value > highest and metric[0] != ":":
            best[metric, variant] = (value, task_id)
    return [
        {"metric": m, "variant": v, "value": value, "task": TASKS[t][1], "task_id": t}
        for (m, v), (value, t) in sorted(best.items())
    ]


def _curve() -> list[dict[str, Any]]:
    """All points of the last of these."""
    best = _best()[-1]
    series = (best["task_id"], best["metric"], best["variant"])
    columns = ("iteration", "timestamp", "value")
    rows = [dict(zip(columns, row[3:6], strict=True)) for row in _rows() if row[:3] == series]
    return [{**row, "project_id": TASKS[best["task_id"]][0]} for row in rows]


def _by_cp(source: Path, target: Path) -> None:
    _run("cp", "-r", str(source), str(target))


def _by_cp_of_current(source: Path, target: Path) -> None:
    _run("cp", "-rL", str(source.parent.parent / "current"), str(target))


def _by_tar(source: Path, target: Path) -> None:
    archive = str(target.parent / "x.tar.gz")
    target.mkdir()
    _run("tar", "-czf", archive, "-C", str(source), ".")
    _run("tar", "-xzf", archive, "-C", str(target))


def _by_zip(source: Path, target: Path) -> None:
    archive = str(target.parent.resolve() / "x.zip")
    _run("zip", "-qr", archive, ".", cwd=source)
    target.mkdir()
    _run("unzip", "-q", archive, cwd=target)


def _by_rsync(source: Path, target: Path) -> None:
    _run("rsync", "-a", f"{source}/", str(target))


def _by_move(source: Path, target: Path) -> None:
    between = target.parent / "between"
    shutil.copytree(source, between)
    between.rename(target)


def _by_pack(source: Path, target: Path) -> None:
    archive = target.parent / "q3.zip"
    with open_dataset(source) as dataset:
        pack(dataset, archive)
    shutil.unpack_archive(archive, target.parent / "unpacked")
    (folder,) = (target.parent / "unpacked").iterdir()
    folder.rename(target)


def _read_only(source: Path, target: Path) -> None:
    shutil.copytree(source, target)
    _run("chmod", "-R", "a-w", str(target))


def _run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(
        [find_program(command[0]), *command[1:]], check=True, capture_output=True, cwd=cwd
    )


@pytest.fixture(
    scope="module",
    params=[_by_cp, _by_cp_of_current, _by_tar, _by_zip, _by_rsync, _by_move, _by_pack, _read_only],
    ids=lambda way: way.__name__.removeprefix("_by").strip("_"),
)
def copy(
    request: pytest.FixtureRequest, snapshot: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What arrives, one way of handing over after the other."""
    target = tmp_path_factory.mktemp("taken") / AWKWARD / "q3"
    target.parent.mkdir(parents=True)
    request.param(snapshot, target)
    return target


Answer = tuple[pa.Table, pa.Table]
"""What an example calls ``best`` and ``curve``."""


def _code(folder: Path, tool: str, language: str = "python") -> str:
    text = (folder / "README.md").read_text(encoding="utf-8")
    section = text.partition(f"\n### {tool}\n")[2].partition("\n### ")[0]
    blocks = re.findall(rf"^```{language}\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1
    return str(blocks[0])


def _sql(folder: Path) -> Answer:
    with duckdb.connect() as connection:
        connection.execute(Path("open.sql").read_text(encoding="utf-8"))
        queries = duckdb.extract_statements(_code(folder, "DuckDB", "sql"))
        best, curve = (connection.sql(each.query).to_arrow_table() for each in queries)
    return best, curve


def _example(tool: str, to_arrow: Callable[[Any], pa.Table]) -> Callable[[Path], Answer]:
    def ask(folder: Path) -> Answer:
        names: dict[str, Any] = {}
        exec(compile(_code(folder, tool), f"README.md, {tool}", "exec"), names)
        return to_arrow(names["best"]), to_arrow(names["curve"])

    return ask


TOOLS: Final[Mapping[str, Callable[[Path], Answer]]] = {
    "DuckDB in SQL": _sql,
    "DuckDB": _example("DuckDB", lambda relation: relation.to_arrow_table()),
    "Polars": _example("Polars", lambda frame: frame.to_arrow()),
    "pandas": _example("pandas", lambda f: pa.Table.from_pandas(f, preserve_index=False)),
    "pyarrow": _example("pyarrow", lambda table: table),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_examples_of_the_readme_are_right(copy: Path, tool: str) -> None:
    before = _listing(copy)
    with contextlib.chdir(copy):
        best, curve = TOOLS[tool](copy)
    columns = best.select(["metric", "variant", "value", "task", "task_id"])
    assert _texts(columns.to_pylist()) == _texts(_best())
    points = curve.select(["iteration", "timestamp", "value", "project_id"])
    assert _texts(points.to_pylist()) == _texts(_curve())
    assert _listing(copy) == before


def test_the_other_sql_of_the_readme_is_right(
    snapshot: Path, ask: Callable[[Path, str], list[tuple[Any, ...]]]
) -> None:
    text = (snapshot / "README.md").read_text(encoding="utf-8")
    states, _, highest = re.findall(r"^ *```sql\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    assert ask(snapshot, states) == [("complete", len(TASKS), len(_rows()))]
    finite = [(row["metric"], row["variant"], row["value"]) for row in _best()]
    others = [(*MONITOR, 99.0), (OTHER, "val", None)]
    assert ask(snapshot, highest) == sorted([*finite, *others], key=lambda row: row[:2])


@pytest.mark.parametrize("tool", TOOLS)
def test_ids_that_look_like_numbers_stay_text(tool: str, snapshot: Path, tmp_path: Path) -> None:
    """Readers guess a type from all folders together, so the others are taken away."""
    copy = shutil.copytree(snapshot, tmp_path / "copy")
    for folder in (copy / "scalars").iterdir():
        if folder.name != "project_id=2024":
            shutil.rmtree(folder)
    with contextlib.chdir(copy):
        _, curve = TOOLS[tool](copy)
    assert curve["project_id"].to_pylist() == ["2024"] * 5


def _texts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rows as text, in which NaN equals NaN and differs from NULL."""
    texts = (
        {name: getattr(v, "isoformat", lambda v=v: v)() for name, v in row.items()} for row in rows
    )
    return [repr(text) for text in texts]


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything in a folder with its size and when it was written."""
    stats = {str(path.relative_to(folder)): path.stat() for path in folder.rglob("*")}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def test_the_hashes_are_right(copy: Path) -> None:
    _run("sha256sum", "-c", "--quiet", "SHA256SUMS", cwd=copy)
