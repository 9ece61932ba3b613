"""Names of folders and curves, whatever the names of tasks and metrics are."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.queries.convert.names import curve_names, run_names, safe

HOSTILE = [
    "../../x",
    "..",
    "/etc/passwd",
    "C:\\x",
    "a\0b",
    "n" * 8_000,
    "é" * 8_000,
    "a\u202eb",
    "\u3164",
    "NUL",
    "com1",
    "-rf",
    "~",
    "a\nb",
    "",
    "🚀",
    "e\u0301",
    "\ud800",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_one_part_of_a_path(name: str) -> None:
    part = safe(name, "task")
    assert Path(part).name == part
    assert part not in {"", ".", ".."}
    assert len(part.encode()) <= 61
    assert part.isprintable()
    assert not part.startswith(("-", "."))
    assert part.casefold() not in {"nul", "com1"}


@given(st.text(max_size=300))
def test_any_name_is_one_part_of_a_path(name: str) -> None:
    part = safe(name, "task")
    assert not set(part) & {"/", "\\", "\0", ":", "."}
    assert 0 < len(os.fsencode(part)) <= 61


def test_a_readable_name_stays_readable() -> None:
    assert safe("resnet50 lr=0.1", "task") == "resnet50-lr-0-1"
    assert safe("训练 模型", "task") == "训练-模型"


@given(st.lists(st.tuples(st.none() | st.text(max_size=9), st.text(max_size=9)), unique=True))
def test_runs_never_collide(tasks: list[tuple[str | None, str]]) -> None:
    names = run_names(tasks)
    assert len({name.casefold() for name in names}) == len(tasks)


def test_a_run_has_the_beginning_of_the_id_and_all_of_it_where_that_is_not_enough() -> None:
    tasks = [("a", "0" * 32), ("A", "0" * 31 + "1"), ("b", "0" * 32)]
    assert run_names(tasks) == ["a-00000000", f"A-{'0' * 31}1", "b-00000000"]


def test_curves_never_share_a_name() -> None:
    pairs = [("a", "b/c"), ("a/b", "c"), ("step", ""), ("x", "y"), ("x", "y (single value)")]
    has_curve = [True, True, True, True, True]
    names = curve_names(pairs, has_curve, reserved=("step",))
    assert len(set(names)) == len(names)
    assert names[:6:2] == ["a/b/c", "a/b/c (2)", "step (2)"]


def test_a_single_value_has_the_plain_name_if_nothing_else_has_it() -> None:
    assert curve_names([("best", "val")], [False]) == ["best/val", "best/val"]
    assert curve_names([("a", "")], [True]) == ["a", "a (single value)"]


def test_a_metric_without_a_variant_has_one_name() -> None:
    """ClearML stores the tag ``loss`` as metric and variant, and so do aliases."""
    assert curve_names([("loss", "loss")], [True])[0] == "loss"
    assert curve_names([("loss", ""), ("loss", "loss")], [True, True])[::2] == ["loss", "loss (2)"]


def test_unseen_characters_are_spelled_out() -> None:
    assert curve_names([("a\u202e\0", "b")], [True])[0] == "a\\u202e\\x00/b"
