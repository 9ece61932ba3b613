"""A copy for TensorBoard, read by TensorBoard itself."""

import sys
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.data_ingester import DEFAULT_TENSOR_SIZE_GUIDANCE
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.scalar.scalars_plugin import _DEFAULT_DOWNSAMPLING

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.queries.convert import copying
from clearml_snapshot.queries.convert.model import CopyOptions
from tests.queries.conftest import START, MakeDataset
from tests.queries.convert.conftest import HOSTILE_TASKS, copy, expected, same
from tests.support.nasty import nasty


def runs(folder: Path) -> dict[str, EventAccumulator]:
    """Read each run with all of its points, by its folder."""
    read = {}
    for file in folder.rglob("*tfevents*"):
        run = EventAccumulator(str(file.parent), {"scalars": 0, "tensors": 0})
        read[str(file.parent.relative_to(folder))] = run.Reload()
    return read


def as_float32(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def test_every_point_is_there_as_a_32_bit_float(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The points of several tasks come in several parts and batches."""
    monkeypatch.setattr(copying, "_AT_ONCE", 20)
    monkeypatch.setattr(copying, "_BATCH", 7)
    tasks = expected(nasty())
    copied = copy(make_dataset(nasty()), "tensorboard", tmp_path / "runs")
    found = runs(tmp_path / "runs")
    assert len(found) == len(tasks) == copied.n_tasks
    for task_id, curves in tasks.items():
        (run,) = (run for name, run in found.items() if f"-{task_id[:8]}" in name)
        assert sorted(run.Tags()["scalars"]) == sorted(curves)
        for name, curve in curves.items():
            events = run.Scalars(name)
            assert [event.step for event in events] == [step for step, _, _ in curve]
            assert same([e.value for e in events], [as_float32(value) for _, value, _ in curve])
            times = [0 if s is None else START.timestamp() + s for _, _, s in curve]
            assert [event.wall_time for event in events] == times
    assert copied.n_points == sum(len(c) for t in tasks.values() for c in t.values())


def test_what_does_not_survive_is_counted(make_dataset: MakeDataset, tmp_path: Path) -> None:
    points = [("loss", "", step, 0.5, step) for step in range(1_001)]
    odd = [
        ("x", "", 0, 0.1, 0),
        ("x", "", 1, 1e300, None),
        ("x", "", 2, 1e-300, 2),
        ("x", "", 3, None, 3),
        ("x", "", 4, float("nan"), 4),
        ("x", "", None, 7.0, 5),
    ]
    params = [{"section": "Args", "name": "text", "value": "v" * 1_001}]
    data = make_dataset([{"task_id": "a" * 32, "points": [*points, *odd], "params": params}])
    notes = "\n".join(copy(data, "tensorboard", tmp_path / "runs").notes)
    assert "not copied: 1 point without a value" in notes
    assert "3 of 1,006 values are rounded" in notes
    assert "2 values became infinite or 0" in notes
    assert "1 curve with more than the 1,000 points" in notes
    assert "1 single value at step 0" in notes
    assert "1 point without a time, which became 1970" in notes
    assert "1 hyperparameter cut after 1,000" in notes


def provider(folder: Path) -> MultiplexerDataProvider:
    """Open a folder as the server of TensorBoard does, with all points."""
    multiplexer = EventMultiplexer(
        size_guidance={"tensors": 0}, tensor_size_guidance={"scalars": 0, "text": 0}
    )
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    return MultiplexerDataProvider(multiplexer, str(folder))


def test_the_server_of_tensorboard_finds_runs_points_and_texts(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    folder = tmp_path / "runs"
    task = {
        "task_id": "ab" * 16,
        "name": "resnet 50",
        "project": "vision/train",
        "project_id": "p",
        "points": [("loss", "train", step, step / 3) for step in range(1_500)],
        "params": [{"section": "Args", "name": "lr", "value": "1e-3\n# <b>x</b>"}],
    }
    notes = copy(make_dataset([task]), "tensorboard", folder).notes
    assert "--samples_per_plugin scalars=1500" in "\n".join(notes)
    data, about = provider(folder), {"ctx": RequestContext(), "experiment_id": ""}
    (run,) = data.list_runs(**about)
    assert run.run_name == "vision-train/resnet-50-abababab"
    read = data.read_scalars(**about, plugin_name="scalars", downsample=1_500)
    assert [point.step for point in read[run.run_name]["loss/train"]] == [*range(1_500)]
    tags = [f"{name}/text_summary" for name in ("hyperparameters", "task")]
    texts = data.read_tensors(**about, plugin_name="text", downsample=9)[run.run_name]
    assert sorted(texts) == tags
    assert texts[tags[0]][0].numpy.item() == b"    Args/lr = 1e-3\\n# <b>x</b>"
    assert b"    task_id = abab" in texts[tags[1]][0].numpy.item()


def test_tensorboard_draws_as_many_points_as_the_note_says() -> None:
    assert DEFAULT_TENSOR_SIZE_GUIDANCE["scalars"] == copying.DRAWN
    assert _DEFAULT_DOWNSAMPLING == copying.DRAWN


def test_tensorboard_compares_hyperparameters(make_dataset: MakeDataset, tmp_path: Path) -> None:
    """A number is one, however it is written."""
    tasks = [
        {
            "task_id": f"{number:032x}",
            "points": [("loss", "", 0, 1.0)],
            "params": [{"section": "Args", "name": "lr", "value": text}],
        }
        for number, text in enumerate(("1e-3", "0.001", "fast"))
    ]
    copy(make_dataset(tasks), "tensorboard", tmp_path / "runs")
    found = []
    for run in runs(tmp_path / "runs").values():
        content = run.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
        value = metadata.parse_session_start_info_plugin_data(content).hparams["Args/lr"]
        found.append(value.string_value or value.number_value)
    assert sorted(found, key=str) == [0.001, 0.001, "fast"]


def test_hostile_names_stay_in_the_folder(make_dataset: MakeDataset, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    copied = copy(make_dataset(HOSTILE_TASKS), "tensorboard", tmp_path / "a" / "runs")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["runs"]
    found = runs(tmp_path / "a" / "runs")
    assert len(found) == len(HOSTILE_TASKS) == copied.n_tasks
    assert all(name.isprintable() for name in found)
    numbers = [
        event.value
        for run in found.values()
        for tag in run.Tags()["scalars"]
        for event in run.Scalars(tag)
    ]
    assert sorted(numbers) == [*range(len(HOSTILE_TASKS))]


def test_metrics_are_chosen(make_dataset: MakeDataset, tmp_path: Path) -> None:
    data = make_dataset(nasty())
    copy(data, "tensorboard", tmp_path / "a", CopyOptions(metrics=("acc",)))
    tags = {tag for run in runs(tmp_path / "a").values() for tag in run.Tags()["scalars"]}
    assert tags == {"acc/val", "acc/val (single value)"}
    with pytest.raises(NoSuchNameError, match="nothing"):
        copy(data, "tensorboard", tmp_path / "b", CopyOptions(metrics=("nothing",)))
    assert not (tmp_path / "b").exists()


def test_a_copy_has_the_same_bytes_each_time(make_dataset: MakeDataset, tmp_path: Path) -> None:
    data = make_dataset(nasty())
    for name in "ab":
        copy(data, "tensorboard", tmp_path / name)
    one, other = (
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*tfevents*")}
        for n in "ab"
    )
    assert one == other


def test_a_package_that_is_missing_is_one_line(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX.record_writer", None)
    with pytest.raises(
        UsageError, match=r"^a copy for TensorBoard needs .* pip install tensorboardX"
    ):
        copy(make_dataset(nasty()), "tensorboard", tmp_path / "runs")
    assert [path.name for path in tmp_path.iterdir() if "data" not in path.name] == []
