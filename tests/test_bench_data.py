"""The datasets that benchmarks run on are real datasets, and the same for the same arguments."""

import math
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.queries import open_dataset
from tests.bench.data import curves, history
from tests.bench.data.writing import write_block, write_dataset


def test_a_benchmark_dataset_is_intact_and_has_the_requested_number_of_points(
    tmp_path: Path,
) -> None:
    write_dataset(tmp_path / "data", 30_000, processes=1)
    snapshot = open_snapshot(tmp_path / "data")
    assert verify(tmp_path / "data").problems == ()
    assert (snapshot.totals.tasks, snapshot.totals.points) == (3, 30_000)
    with open_dataset(tmp_path / "data") as dataset:
        ((longest,),) = dataset.query("max", metric="loss/train").project("n_tasks").fetchall()
        ((params,),) = dataset.sql("SELECT count(*) FROM hyperparams").fetchall()
    assert (longest, params) == (3, 120)


def test_the_seed_decides_about_every_byte(tmp_path: Path) -> None:
    def written(name: str, seed: int) -> str:
        tasks = list(history.History(20_000, seed).tasks())
        entry, _ = write_block(tmp_path / name, tasks, seed)
        assert entry is not None
        return entry.sha256

    assert written("one", 1) == written("again", 1) != written("other", 2)


def test_curves_are_uneven_float32_numbers_with_faults_and_monitoring() -> None:
    tasks = sorted(history.History(1_000_000, 1).tasks(), key=lambda task: task.task_id)
    rows = pa.concat_tables(curves.points(tasks, 1))
    values: list[float] = rows.column("value").drop_null().to_pylist()  # type: ignore[assignment]
    assert rows.num_rows == 1_000_000
    assert (
        pa.array(values).cast(pa.float32(), safe=False).cast(pa.float64()).to_pylist()[:1000]
        == (values[:1000])
    )
    assert sum(map(math.isnan, values)) > 10
    metrics = Counter(map(str, rows.column("metric").to_pylist()))
    assert len(metrics) > 200
    n_monitor = sum(n for name, n in metrics.items() if name.startswith(":monitor:"))
    assert 300_000 < n_monitor < 700_000
    lengths = {task.length for task in tasks}
    assert min(lengths) < 50
    assert max(lengths) > 1_000
    keys = rows.select(["metric", "variant", "task_id", "iteration"])
    assert keys.group_by(keys.column_names).aggregate([]).num_rows == rows.num_rows


def test_part_files_share_tasks_of_one_project_and_stay_small() -> None:
    tasks = list(history.History(5_000_000, 1).tasks())
    blocks = history.blocks(tasks, 200_000)
    assert sorted(task.number for block in blocks for task in block) == list(range(500))
    assert all(len({(task.project, task.settled) for task in block}) == 1 for block in blocks)
    most = max(sum(task.points for task in block) for block in blocks if len(block) > 1)
    assert 150_000 < most <= 200_000
    assert pc.sum(pa.array([task.points for task in tasks])).as_py() == 5_000_000
