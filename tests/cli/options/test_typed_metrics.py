"""What people type for metrics, parameters and --best is understood, or the message says how."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest

from clearml_snapshot.cli.main import main
from tests.queries.conftest import write

COMPOSED = "précision"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
SERIES = (
    ("loss", "train"),
    ("loss", "validation"),
    ("accuracy", "validation"),
    ("accuracy top5", "validation"),
    ("accuracy per class", "cat"),
    ("Summary", "final score"),
    ("latency", "p99"),
    (DECOMPOSED, "moyenne"),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("metrics") / "data"
    tasks = [
        {
            "task_id": letter * 32,
            "name": f"run {letter}",
            "params": [
                {"section": "Args", "name": "lr", "value": str(rate)},
                {"section": "Args", "name": unicodedata.normalize("NFD", "taché"), "value": letter},
            ],
            "points": [(metric, variant, 1, rate) for metric, variant in SERIES],
        }
        for letter, rate in (("a", 0.1), ("b", 0.01))
    ]
    write(folder, tasks)
    return folder


class Asked:
    """Runs a query and returns its exit code, the rows of its CSV, and stderr."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._data, self._capsys = data, capsys

    def __call__(self, *arguments: str) -> tuple[int, list[str], str]:
        code = main(["query", *arguments, "--data", str(self._data)])
        out, err = self._capsys.readouterr()
        return code, out.splitlines()[1:], err


@pytest.fixture
def asked(data: Path, capsys: pytest.CaptureFixture[str]) -> Asked:
    return Asked(data, capsys)


@pytest.mark.parametrize(
    ("typed", "metric"),
    [
        (COMPOSED, DECOMPOSED),
        (COMPOSED.upper(), DECOMPOSED),
        (f"{COMPOSED}/moyenne", DECOMPOSED),
        ("pré*", DECOMPOSED),
        ("p99", "latency"),
        ("final score", "Summary"),
        ("Final Score", "Summary"),
        ("train", "loss"),
    ],
)
def test_metrics_that_are_found(asked: Asked, typed: str, metric: str) -> None:
    code, rows, err = asked("max", "--metric", typed)
    assert (code, [row.split(",")[0] for row in rows]) == (0, [metric]), err


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (
            "validation",
            "no metric 'validation'; it is a variant of 3 metrics: did you mean "
            "'accuracy/validation' or 'accuracy top5/validation' …, or '*/validation' for all of "
            "them?",
        ),
        (
            "acc",
            "no metric 'acc'; did you mean 'accuracy' or 'accuracy per class', or '*acc*' (3 "
            "metrics)?",
        ),
        ("valdation", "no metric 'valdation'; did you mean '*/validation' or 'latency'?"),
        ("lss", "no metric 'lss'; did you mean 'loss'?"),
    ],
)
def test_metrics_that_are_suggested(asked: Asked, typed: str, message: str) -> None:
    code, _, err = asked("max", "--metric", typed)
    assert (code, err) == (2, f"error: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "best"),
    [
        (("--metric", "accuracy"), "a"),
        (("--metric", "accuracy*"), "a"),
        (("--metric", COMPOSED, "--best", "max"), "a"),
        (("--metric", "loss/train"), "b"),
        (("--metric", "latency", "--best", "min"), "b"),
        (("--metric", "latency", "--best", "highest"), "a"),
    ],
)
def test_the_best(asked: Asked, arguments: Sequence[str], best: str) -> None:
    code, rows, err = asked("leaderboard", *arguments, "--top", "1")
    assert (code, {f"run {best}" in row for row in rows}) == (0, {True}), err
    direction = {"a": "highest", "b": "lowest"}[best]
    guessed = f"--best {direction} was guessed from the name of the metric"
    assert (guessed in err.splitlines()) == ("--best" not in arguments)
    assert asked("leaderboard", *arguments, "--top", "1", "--quiet") == (0, rows, "")


@pytest.mark.parametrize("name", ["best", "leaderboard", "group", "wide"])
@pytest.mark.parametrize(("word", "other"), [("max", "highest"), ("min", "lowest")])
def test_every_query_accepts_both_words_for_the_best(
    asked: Asked, name: str, word: str, other: str
) -> None:
    more = ("--per", "task") if name == "wide" else ()
    code, rows, err = asked(name, "--metric", "latency", *more, "--best", word)
    assert code == 0, err
    assert asked(name, "--metric", "latency", *more, "--best", other)[:2] == (0, rows)


@pytest.mark.parametrize("name", ["best", "leaderboard", "group"])
def test_help_says_what_is_required(asked: Asked, name: str) -> None:
    code, lines, _ = asked(name, "--help")
    text = " ".join(" ".join(lines).split())
    assert code == 0
    assert "Required: --metric, and --best if the name of the metric does not tell." in text
    assert "--best highest|lowest|max|min" in text
    assert "guesses it from well- known names" in text.replace("well-known", "well- known")


def test_help_of_a_query_that_needs_nothing(asked: Asked) -> None:
    assert "Required" not in "".join(asked("max", "--help")[1])
    assert "  Required: TASK." in asked("compare", "--help")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *(
            (
                (name, "--metric", "latency"),
                f"query {name} needs --best max or --best min: latency/p99 does not say whether "
                "high or low values are better",
            )
            for name in ("best", "group")
        ),
        (
            ("leaderboard", "--metric", "latency"),
            "query leaderboard needs --best max or --best min: latency/p99 does not say whether "
            "high or low values are better",
        ),
        (
            ("group", "--metric", "loss", "--metric", "accuracy"),
            "query group needs --best max or --best min: high values of accuracy/validation and "
            "low values of loss/train are better",
        ),
        (("leaderboard", "--best", "max"), "query leaderboard needs --metric: "),
        (("compare",), "query compare needs TASK...: "),
        (
            ("group", "-m", "loss", "--by", "Args/rl"),
            "no grouping or hyperparameter 'Args/rl'; did you mean 'Args/lr'",
        ),
        (
            ("group", "-m", "loss", "--by", "lr,user"),
            "no grouping or hyperparameter 'lr,user'; give 'lr' and 'user' as several values of "
            "--by",
        ),
        (
            ("group", "-m", "loss", "--by", "weak"),
            "no grouping or hyperparameter 'weak'; did you mean 'week'",
        ),
        (("group", "-m", "loss", "--by", "param:x"), "no hyperparameter 'x'"),
        (("max", "--top", "0"), "--top 0: use a number of at least 1"),
        (("max", "--nan-value", "inf"), "--nan-value inf: use a finite number"),
    ],
)
def test_an_error_names_the_option(asked: Asked, arguments: Sequence[str], message: str) -> None:
    code, _, err = asked(*arguments)
    assert (code, err.startswith(f"error: {message}")) == (2, True), err


@pytest.mark.parametrize("by", ["Args/lr", "lr", "LR", "param:Args/lr", "param:lr", "taché"])
def test_groups_by_a_hyperparameter(asked: Asked, by: str) -> None:
    code, rows, err = asked("group", "--metric", "loss/train", "--by", by)
    assert (code, len(rows)) == (0, 2), err
