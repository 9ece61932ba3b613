"""What a metric argument means."""

import re

import pytest

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.metric_filter import (
    EVERY_METRIC,
    MetricChoice,
    MetricFilter,
    resolve_metric,
    resolve_variants,
)

SERIES = {
    "loss": {"train", "test", "Train"},
    "Loss 2": {"a"},
    "a/b": {"c", "d"},
    "a": {"x", "B/C"},
    "acc/top": {"1", "5"},
    "ACC/top": {"1"},
    ":monitor:gpu": {"gpu_0_util", "gpu_1_util"},
    "": {"", "v"},
    "x[1]": {"v"},
    "\U0001f600": {"é"},
}


def one(metric: str, *variants: str) -> tuple[MetricChoice, ...]:
    return (MetricChoice(metric, frozenset(variants) if variants else None),)


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("loss", one("loss")),
        ("a/b", one("a/b")),
        ("a/b/c", one("a/b", "c")),
        ("a/B/C", one("a", "B/C")),
        ("loss/train", one("loss", "train")),
        ("loss/Train", one("loss", "Train")),
        ("LOSS", one("loss")),
        ("LOSS/TEST", one("loss", "test")),
        ("LOSS 2/A", one("Loss 2", "a")),
        ("A/B", one("a/b")),
        ("acc/top/1", one("acc/top", "1")),
        ("", one("")),
        ("/v", one("", "v")),
        ("/", (MetricChoice("", frozenset({""})),)),
        ("x[1]", one("x[1]")),
        ("x[1]/v", one("x[1]", "v")),
        ("\U0001f600/é", one("\U0001f600", "é")),
        ("l*", one("loss")),
        ("[lL]oss*", (*one("Loss 2"), *one("loss"))),
        ("loss/t*", one("loss", "train", "test")),
        (":monitor:*/gpu_?_util", one(":monitor:gpu", "gpu_0_util", "gpu_1_util")),
    ],
)
def test_readings(argument: str, meant: tuple[MetricChoice, ...]) -> None:
    assert resolve_metric(argument, SERIES) == meant


@pytest.mark.parametrize(
    ("argument", "listed"),
    [
        ("Acc/Top", "'acc/top' or 'ACC/top'"),
        ("LOSS/TRAIN", "metric 'loss' variant 'Train' or metric 'loss' variant 'train'"),
    ],
)
def test_several_readings_are_an_error_that_lists_them(argument: str, listed: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_metric(argument, SERIES)
    assert not isinstance(caught.value, NoSuchNameError)
    named = set(re.findall(r"'[^']+'", listed))
    assert named <= set(re.findall(r"'[^']+'", str(caught.value)))
    assert "specify which" in str(caught.value)


def test_a_name_that_can_be_cut_at_two_slashes() -> None:
    series = {"a": {"b/c"}, "a/b": {"c"}}
    with pytest.raises(UsageError, match="metric 'a' variant 'b/c' or metric 'a/b' variant 'c'"):
        resolve_metric("a/b/c", series)
    assert resolve_metric("a/b/c", {**series, "a/b/c": {"x"}}) == one("a/b/c")


@pytest.mark.parametrize(
    ("argument", "near"),
    [("los", "'loss'"), ("loss/trian", "'loss/train'"), ("zzz*", "there are"), ("gpu", "gpu'")],
)
def test_nothing_fits(argument: str, near: str) -> None:
    with pytest.raises(NoSuchNameError, match=re.escape(near)):
        resolve_metric(argument, SERIES)


def test_variants() -> None:
    assert resolve_variants("train", SERIES) == {"train"}
    assert resolve_variants("TEST", SERIES) == {"test"}
    assert resolve_variants("gpu_*", SERIES) == {"gpu_0_util", "gpu_1_util"}
    with pytest.raises(UsageError, match="'Train' or 'train'"):
        resolve_variants("TRAIN", SERIES)
    with pytest.raises(NoSuchNameError, match="did you mean 'test'"):
        resolve_variants("tset", SERIES)


def chosen(*choices: tuple[MetricChoice, ...]) -> MetricFilter:
    return MetricFilter(
        tuple(choice for some in choices for choice in some), frozenset({"--metric x"})
    )


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (EVERY_METRIC, chosen(one("loss")), chosen(one("loss"))),
        (chosen(one("loss")), chosen(one("loss", "train")), chosen(one("loss", "train"))),
        (chosen(one("loss", "a", "b")), chosen(one("loss", "b", "c")), chosen(one("loss", "b"))),
        (chosen(one("loss", "a")), chosen(one("loss", "b")), chosen()),
        (chosen(one("acc")), chosen(one("loss")), chosen()),
    ],
)
def test_an_intersection_includes_what_both_include(
    first: MetricFilter, second: MetricFilter, both: MetricFilter
) -> None:
    assert first.intersection(second) == both
    assert second.intersection(first).choices == both.choices
    for metric, variant in (("loss", "train"), ("loss", "b"), ("acc", "b")):
        expected = first.includes(metric, variant) and second.includes(metric, variant)
        assert both.includes(metric, variant) == expected


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("loss.validation", "'loss/validation'"),
        ("val_loss", "'loss/validation'"),
        ("Validation Loss", "'loss/validation'"),
        ("val/loss", "'loss/validation'"),
        ("test_acc", "'acc/test'"),
        ("val", None),
        ("val_accuracy", None),
    ],
)
def test_the_words_of_a_metric_in_another_order_suggest_it(typed: str, meant: str | None) -> None:
    """``*/validation`` or ``loss`` would be other series, or more of them."""
    series = {"loss": {"train", "validation"}, "acc": {"test"}, "other": {"validation"}}
    with pytest.raises(NoSuchNameError) as raised:
        resolve_metric(typed, series)
    assert (f"did you mean {meant}?" in str(raised.value)) == (meant is not None)
