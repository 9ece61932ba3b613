"""`pack` as it is typed: a history with planted credentials, from the server to the colleague."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.server import StandIn

Capture = pytest.CaptureFixture[str]

KEY_LINES = "\n".join(["MIIEowIBAAKCAQEAuZ8kQv3xW1pN7rT2bY5cD9fG4hJ6kL8m"] * 3)
PLANTED = {
    "AWS key": "AKIA4JQXV7WPLN2KTRSE",
    "AWS secret": "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",
    "ClearML secret": "kP3vR8tYw2QzN6bXcL9sDf4GhJ7mK1aZxE5uT0oWqRiVyBnMlC",
    "database URL": "pr0d-Passw0rd",
    "bearer token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.TJVA95OrM7E2cBab",
    "private key": "MIIEowIBAAKCAQEAuZ8kQv3xW1pN7rT2bY5cD9fG4hJ6kL8m",
}


def _planted() -> Database:
    """Two tasks with the same credentials: in parameters, and in a comment."""
    params = {
        "aws_id": PLANTED["AWS key"],
        "aws_secret_access_key": PLANTED["AWS secret"],
        "CLEARML_API_SECRET_KEY": PLANTED["ClearML secret"],
        "store": f"postgresql://ml:{PLANTED['database URL']}@db.inside:5432/runs",
        "header": f"Authorization: Bearer {PLANTED['bearer token']}",
        "pem": f"-----BEGIN RSA PRIVATE KEY-----\n{KEY_LINES}\n-----END RSA PRIVATE KEY-----",
        "lr": "0.001",
    }
    database = Database()
    section = {name: {"section": "Args", "name": name, "value": v} for name, v in params.items()}
    first = database.add_task("in parameters", "project", hyperparams={"Args": section})
    comment = "\n".join(f"{name}={value}" for name, value in params.items())
    second = database.add_task("in a comment", "project", comment=comment)
    for task in (first, second):
        database.report_single(task, "accuracy", 0.5)
    return database


@pytest.fixture
def planted(start_standin: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch) -> StandIn:
    server = start_standin(_planted())
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server


def _texts(folder: Path) -> str:
    """Every text in a folder; Parquet compresses what it holds."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    raw = [path.read_bytes().decode("utf-8", "replace") for path in files]
    tables = [str(pq.ParquetFile(p).read().to_pylist()) for p in files if p.suffix == ".parquet"]
    return "\n".join(raw + tables).replace("\\n", "\n")


def test_planted_credentials(planted: StandIn, tmp_path: Path, capsys: Capture) -> None:
    """None in a default export; all caught by pack after --keep-secrets."""
    data, kept = str(tmp_path / "data"), str(tmp_path / "kept")
    assert main(["export", "--all", "--data", data, "-q"]) == 0
    assert [name for name, value in PLANTED.items() if value in _texts(tmp_path / "data")] == []
    assert "0.001" in _texts(tmp_path / "data")
    assert main(["pack", "--data", data, "-o", str(tmp_path / "clean")]) == 0
    assert main(["export", "--all", "--data", kept, "-q", "--keep-secrets"]) == 0
    assert [name for name, value in PLANTED.items() if value not in _texts(tmp_path / "kept")] == []
    capsys.readouterr()

    assert main(["pack", "--data", kept, "-o", str(tmp_path / "p.zip"), "-q"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert re.search(
        r"7 values that look like a credential \(comment of task \w{8}, hyperparam", err
    )
    assert "--redact secrets" in err
    assert not any(value in err for value in PLANTED.values())
    assert not (tmp_path / "p.zip").exists()

    target = ["-o", str(tmp_path / "safe"), "--redact", "secrets"]
    assert main(["pack", "--data", kept, *target]) == 0
    assert [name for name, value in PLANTED.items() if value in _texts(tmp_path / "safe")] == []
    assert "0.001" in _texts(tmp_path / "safe")
    assert "omitted: secrets: 7 values" in capsys.readouterr().err
    assert "secrets: 7 values" in (tmp_path / "safe" / "snapshot.json").read_text()
    assert main(["pack", "--data", kept, "-o", str(tmp_path / "all"), "--keep-secrets"]) == 0
    assert [name for name, value in PLANTED.items() if value not in _texts(tmp_path / "all")] == []


def test_what_it_prints(history: Path, tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "q3.zip"
    assert main(["pack", "--data", str(history), "-o", str(target), "--tag", "gpu"]) == 0
    out, err = capsys.readouterr()
    summary, content_id = out.splitlines()
    assert re.fullmatch(r".*q3\.zip: [\d.]+ kB, 2 tasks, 5 series, 13 points", summary)
    assert re.fullmatch(r"content id: [0-9a-f]{64}", content_id)
    assert "packing into" in err
    assert zipfile.is_zipfile(target)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["--redact", "user"], "did you mean 'users'"),
        (["--redact", "all"], "'secrets', 'users'"),
        (
            ["--redact", ""],
            "'' contains an empty category; choose from secrets, users, hosts",
        ),
        (["--redact", "users, "], "--redact 'users, ' contains an empty category"),
        (["--redact", "secrets,users", "--keep-secrets"], "cannot be combined"),
        (["--metric", "los"], "did you mean 'loss'"),
        (["--project", "nowhere"], "no project 'nowhere'"),
        (["--snapshot", "7"], "has no snapshot 7"),
    ],
)
def test_what_cannot_be_meant(
    history: Path, tmp_path: Path, capsys: Capture, typed: list[str], message: str
) -> None:
    target = str(tmp_path / "q3.zip")
    assert main(["pack", "--data", str(history), "-o", target, *typed]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err.splitlines()[-1]
    assert [*tmp_path.iterdir()] == []


def test_a_pack_cannot_be_streamed(
    history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    pack = str(tmp_path / "q3.zip")
    assert main(["pack", "--data", str(history), "-o", pack, "-q"]) == 0
    capsys.readouterr()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for typed in (
        ["pack", "--data", str(history)],
        ["unpack", pack],
        ["merge", pack, str(history)],
    ):
        assert main([*typed, "-o", "-"]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1), err
        assert "-o -: " in err
    assert [*Path.cwd().iterdir()] == []


def test_the_status_of_a_pack_describes_which_part_it_is(
    history: Path, tmp_path: Path, capsys: Capture
) -> None:
    pack = str(tmp_path / "q3.zip")
    part = ["--tag", "gpu", "--metric", "loss", "--redact", "users,params"]
    assert main(["pack", "--data", str(history), "-o", pack, *part, "-q"]) == 0
    capsys.readouterr()
    assert main(["status", "--data", pack]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "packed      --tag gpu; metrics: --metric loss"
    assert lines[3].startswith("omitted     users: tasks.user_id, ")
    assert lines[4].startswith("            params: ")
    assert main(["status", "--data", str(history)]) == 0
    assert "packed" not in capsys.readouterr().out


def test_a_target_is_needed(history: Path, capsys: Capture) -> None:
    assert main(["pack", "--data", str(history)]) == 2
    assert "--output" in capsys.readouterr().err


def test_there_and_back(history: Path, tmp_path: Path, capsys: Capture) -> None:
    """Pack, another path, verify, query, unpack: the same answers."""
    there = tmp_path / "another path = 1 ñ"
    there.mkdir()
    archive, folder = there / "q3.zip", there / "q3"
    main(["pack", "--data", str(history), "-o", str(archive)])
    content_id = capsys.readouterr().out.splitlines()[-1]
    assert main(["unpack", str(archive), "-o", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{folder}: 3 tasks, 6 series, 14 points\n"
    assert "unpacking" in err
    for source in (archive, folder):
        assert main(["verify", str(source)]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == content_id
    answers = []
    for source in (history, archive, folder):
        assert main(["query", "max", "--data", str(source), "--metric", "loss", "-q"]) == 0
        answers.append(capsys.readouterr().out)
    assert len(set(answers)) == 1
    assert answers[0].count("\n") == 3


def test_unpack_refuses_in_one_line(history: Path, tmp_path: Path, capsys: Capture) -> None:
    main(["pack", "--data", str(history), "-o", str(tmp_path / "q3.zip"), "-q"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    (tmp_path / "text.zip").write_text("no archive")
    capsys.readouterr()
    for pack, target, code in (
        ("q3.zip", "mine", 2),
        ("text.zip", "new", 5),
        ("none.zip", "new", 2),
        (".", "new", 2),
    ):
        assert main(["unpack", str(tmp_path / pack), "-o", str(tmp_path / target)]) == code
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1), err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "q3.zip", "text.zip"]
