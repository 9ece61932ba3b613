"""A dataset, a snapshot or a pack as an argument, and what is said where there is none."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.store.finding import dataset_near, is_dataset
from tests.queries.conftest import write

IDS = ("a" * 32, "b" * 32)
LOSS = "loss,train,3.0,2,"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset in data/demo, and a pack."""
    folder = tmp_path_factory.mktemp("home")
    points = [("loss", "train", 1, 1.0), ("loss", "train", 2, 3.0), ("accuracy", "val", 1, 0.5)]
    write(folder / "data" / "demo", [{"task_id": task_id, "points": points} for task_id in IDS])
    options = ["--data", str(folder / "data" / "demo"), "-o", str(folder / "it.zip")]
    assert main(["pack", *options, "--quiet"]) == 0
    return folder


@pytest.fixture
def shelf(home: Path, tmp_path: Path) -> Path:
    """A folder with two packs, a dataset, and files that only have the name of a pack."""
    for name in ("a-first.zip", "q3-sweep.zip"):
        (tmp_path / name).write_bytes((home / "it.zip").read_bytes())
    (tmp_path / "q3-swap.zip").write_text("snapshot.json")
    with zipfile.ZipFile(tmp_path / "q3-swep2.zip", "w") as archive:
        archive.writestr("photo.txt", "")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "vision").symlink_to(home / "data" / "demo")
    (tmp_path / "runs" / "audio").symlink_to(home / "data" / "demo")
    return tmp_path


class Shell:
    """Runs commands in a folder."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, list[str], str]:
        self._capsys.readouterr()
        code = main(arguments)
        out, err = self._capsys.readouterr()
        return code, out.splitlines(), err


@pytest.fixture
def shell(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(home)
    monkeypatch.delenv("CLEARML_SNAPSHOT_DATA", raising=False)
    return Shell(capsys)


PLACES = ("it.zip", "data/demo", "data/demo/current")


@pytest.mark.parametrize("place", PLACES)
def test_every_reading_command_takes_a_dataset(shell: Shell, place: str) -> None:
    code, rows, err = shell("query", "max", place, "--metric", "loss")
    assert (code, rows[1][: len(LOSS)]) == (0, LOSS), err
    code, rows, err = shell("query", "compare", IDS[0], place, IDS[1], "-m", "accuracy")
    assert (code, [row.split(",")[:2] for row in rows[1:]]) == (0, [["accuracy", "val"]]), err
    for arguments in (["SELECT count(*) FROM tasks", place], [place, "SELECT count(*) FROM tasks"]):
        assert shell("sql", *arguments)[:2] == (0, ["count_star()", "2"])
    code, lines, err = shell("status", place)
    assert (code, lines[0]) == (0, f"dataset     {place}"), err


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", [(), ("show",)])
def test_a_dataset_alone_shows_its_status_and_best_values(
    shell: Shell, place: str, command: Sequence[str]
) -> None:
    code, lines, err = shell(*command, place)
    assert (code, lines[0]) == (0, f"dataset     {place}"), err
    low, high = lines.index("lowest values"), lines.index("highest values")
    assert lines[low + 2].split()[:3] == ["loss", "train", "1"]
    assert lines[high + 2].split()[:3] == ["accuracy", "val", "0.5"]


@pytest.mark.parametrize(
    ("folder", "arguments", "message"),
    [
        (".", ("query", "max"), "no dataset at data; did you mean --data data/demo?"),
        ("data", ("status",), "no dataset at data; did you mean --data demo?"),
        ("data/demo", ("status",), "no dataset at data; did you mean --data .?"),
        ("data/demo/snapshots", ("status",), "no dataset at data; did you mean --data ..?"),
        (".", ("status", "--data", "dta"), "no dataset at dta; did you mean --data it.zip?"),
        (".", ("query", "max", "loss"), "no dataset at loss; if it is a metric, use --metric loss"),
        (
            ".",
            ("status", "it.zip", "--data", "data/demo"),
            "two datasets are given: it.zip and --data data/demo; use one of them",
        ),
        (".", ("it.zap",), "no such command 'it.zap'; see clearml-snapshot --help"),
        (".", ("best", "-m", "loss"), "no such command 'best'; did you mean 'query best'?"),
        (".", ("leaderboard",), "no such command 'leaderboard'; did you mean 'query leaderboard'?"),
    ],
)
def test_where_a_dataset_is(
    shell: Shell,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    arguments: Sequence[str],
    message: str,
) -> None:
    monkeypatch.chdir(home / folder)
    code, _, err = shell(*arguments)
    assert code in (1, 2)
    assert err == f"error: {message}\n"


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("show", "q3-swep.zip"), "q3-sweep.zip"),
        (("q3-swep.zip",), "q3-sweep.zip"),
        (("status", "--data", "q3-swep.zip"), "q3-sweep.zip"),
        (("query", "best", "q3-swep.zip", "--metric", "accuracy"), "q3-sweep.zip"),
        (("query", "best", "runs/vison", "--metric", "accuracy"), "runs/vision"),
        (("show", "runs/vison"), "runs/vision"),
        (("runs/vison",), "runs/vision"),
        (("show", "vison"), "runs/vision"),
        (("show", "swep-vison-x"), "a-first.zip"),
    ],
)
def test_the_suggested_dataset_is_real_and_has_the_most_similar_name(
    shell: Shell,
    shelf: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: Sequence[str],
    near: str,
) -> None:
    monkeypatch.chdir(shelf)
    code, _, err = shell(*arguments)
    typed = next(word for word in arguments if "swep" in word or "vison" in word)
    assert (code, err) == (2, f"error: no dataset at {typed}; did you mean --data {near}?\n")


def test_what_looks_like_a_metric_is_not_taken_for_a_path(shell: Shell, shelf: Path) -> None:
    assert "use --metric loss/train" in shell("query", "max", "loss/train")[2]


def test_without_any_dataset(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if dataset_near(tmp_path / "data") is None:  # nothing in a folder above
        assert shell("status")[2].endswith(
            "no dataset at data; run clearml-snapshot export first\n"
        )


def test_what_is_not_a_path_is_not_a_dataset(tmp_path: Path) -> None:
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "text.zip.txt").touch()
    for text in ("", "x" * 5000, "a\0b", "SELECT 1", "folder.zip", "text.zip.txt"):
        assert not is_dataset(tmp_path / text)
    assert dataset_near(Path("x" * 5000)) is None


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("help",), "Usage: clearml-snapshot [OPTIONS] COMMAND [ARGS]..."),
        (("help", "status"), "Usage: clearml-snapshot status [OPTIONS] [DATASET]"),
        (("help", "query", "max"), "Usage: clearml-snapshot query max [OPTIONS] [DATASET]"),
    ],
)
def test_help_is_a_word_too(shell: Shell, arguments: Sequence[str], line: str) -> None:
    code, lines, err = shell(*arguments)
    assert (code, lines[0], err) == (0, line, "")


def test_the_version_in_three_ways(shell: Shell) -> None:
    answers = {tuple(shell(word)[1]) for word in ("version", "-V", "--version")}
    assert len(answers) == 1
    assert answers.pop()[0].startswith("clearml-snapshot ")


def test_a_file_that_is_no_pack_is_not_damaged(shell: Shell, tmp_path: Path) -> None:
    table = tmp_path / "best.csv"
    table.write_text("metric,value\nloss,1.0\n")
    code, _, err = shell("verify", str(table))
    assert (code, err) == (
        2,
        f"error: {table} is not a pack; choose a dataset or a .zip file\n",
    )
    (tmp_path / "best.zip").write_text("damaged")
    assert shell("verify", str(tmp_path / "best.zip"))[0] == 5
    code, _, err = shell("verify", "itt.zip")
    assert (code, err) == (2, "error: no snapshot at itt.zip; there is one at it.zip\n")


def test_a_stranger_s_dataset_is_not_suggested(shelf: Path, shell: Shell) -> None:
    elsewhere = shelf / "runs" / "nope"
    assert dataset_near(elsewhere) is None
    assert dataset_near(shelf / "runs" / "visio") == shelf / "runs" / "vision"
    code, _, err = shell("query", "max", "--data", str(elsewhere))
    assert (code, "there is one" in err) == (2, False)


@pytest.mark.parametrize(("name", "form"), [("md", "markdown"), ("tex", "latex"), ("txt", "text")])
def test_the_extension_of_a_format_is_its_name_too(shell: Shell, name: str, form: str) -> None:
    question = ("query", "tasks", "--data", "data/demo", "--columns", "task_id", "--limit", "1")
    code, rows, _ = shell(*question, "--format", name)
    assert (code, rows) == (0, shell(*question, "--format", form)[1])
    assert rows
