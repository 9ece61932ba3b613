"""Plots and answers in Python: what a notebook shows of them, and the files they write."""

from pathlib import Path

import pytest

from clearml_snapshot.exporter.errors import NoSuchNameError, SnapshotError, UsageError
from clearml_snapshot.queries import open_dataset
from tests.support.chosen import MakeDataset

NAME = "<script>alert(1)</script>\u202e"


def _folder(make_dataset: MakeDataset) -> Path:
    points = [("loss", "train", at, 1.0 / (at + 1)) for at in range(50)]
    return make_dataset([{"task_id": "a" * 32, "name": NAME, "points": points}])


def test_a_plot_draws_itself_in_a_notebook_and_as_text(make_dataset: MakeDataset) -> None:
    with open_dataset(_folder(make_dataset)) as dataset:
        plot = dataset.plot(
            "loss", smooth=0.5, log_y=True, best="min", title="Fig. 1", size=(60, 9)
        )
    page = plot._repr_html_()
    assert "<svg" in page
    assert "Fig. 1" in page
    assert "<script" not in page
    assert "1 of 1 task has it" in page
    assert plot.notes[0] in page
    assert repr(plot).startswith("Fig. 1\n\nloss/train")


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf", ".html", ".vl.json", ".txt"])
def test_a_plot_saves_itself(make_dataset: MakeDataset, tmp_path: Path, suffix: str) -> None:
    with open_dataset(_folder(make_dataset)) as dataset:
        dataset.plot("loss").save(tmp_path / f"it{suffix}")
    assert (tmp_path / f"it{suffix}").stat().st_size > 100
    assert [path.name for path in tmp_path.glob("it*")] == [f"it{suffix}"]


def test_what_cannot_be_plotted_is_an_error(make_dataset: MakeDataset, tmp_path: Path) -> None:
    with open_dataset(_folder(make_dataset)) as dataset:
        plot = dataset.plot("loss")
        with pytest.raises(UsageError, match=r"unknown file extension; use \.svg"):
            plot.save(tmp_path / "it.jpg")
        with pytest.raises(SnapshotError, match="nothing"):
            plot.save(tmp_path / "nothing" / "it.svg")
        with pytest.raises(NoSuchNameError):
            dataset.plot("nothing")
        with pytest.raises(UsageError, match="no parameter 'colour'"):
            dataset.plot("loss", colour="tag")


def test_an_answer_is_a_table_in_a_notebook(make_dataset: MakeDataset) -> None:
    with open_dataset(_folder(make_dataset)) as dataset:
        page = dataset.answer("curve", metric="loss")._repr_html_()
        short = dataset.answer("max", metric="loss")._repr_html_()
    assert page.count("<tr>") == 41
    assert "the first 40 rows" in page
    assert "<script" not in page
    assert "\u202e" not in page
    assert "<th>value</th>" in short
    assert "<td>1.0</td>" in short
    assert "1 of 1 task has it" in short
    assert "the first" not in short
