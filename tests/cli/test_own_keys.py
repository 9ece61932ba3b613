"""A server that sends back what it was sent: none of it reaches a screen, a log or a dataset."""

import base64
import json
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter import export
from clearml_snapshot.exporter.client.configured_keys import (
    FILE_VARIABLES,
    VARIABLES,
    remember_configured,
)
from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.own_keys import forget, remember, scrub, scrub_json
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.standin.http.server import StandIn
from tests.conftest import Clock

ACCESS = "Q7ZK3M5XJ9TB2WLC8RVD"
SECRET = "p+Vx/3mT9zKq=Lr7Wd2Yb8Nc5Hf1Js6Gt4Qe0Aa"
PAIR = f"{ACCESS}:{SECRET}"


def _decoded(header: str) -> str:
    scheme, _, value = header.partition(" ")
    return base64.b64decode(value).decode() if scheme == "Basic" else value


def _wrapped(text: str) -> str:
    return "\n".join(text[at : at + 40] for at in range(0, len(text), 40))


def _as_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ECHOES: dict[str, Callable[[str], str]] = {
    "the header": lambda h: f"bad header 'Authorization: {h}'",
    "decoded": lambda h: f"who is {_decoded(h)}?",
    "the secret alone": lambda h: f"no such key {_decoded(h).partition(':')[2] or h}",
    "as base64 of all": lambda h: _as_base64(f"x={h};{_decoded(h)}"),
    "as base64 for URLs": lambda h: base64.urlsafe_b64encode(f"ab{_decoded(h)}".encode()).decode(),
    "in a URL": lambda h: f"/x?a={urllib.parse.quote(h)}&k={urllib.parse.quote_plus(_decoded(h))}",
    "in JSON": lambda h: json.dumps({"headers": json.dumps({"Authorization": h})}),
    "cut at its end": lambda h: _decoded(h)[: len(ACCESS) + 22] + "…",
    "cut at its begin": lambda h: "…" + _decoded(h)[-20:],
    "after 250 others": lambda h: "x" * 250 + " " + h,
    "in lines": lambda h: _wrapped(h),
    "as hexadecimal": lambda h: _decoded(h).encode().hex(),
    "as Python writes it": lambda h: repr({"a": _decoded(h).encode()}),
}


@pytest.fixture(autouse=True)
def no_keys() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def server(
    start_standin: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> StandIn:
    server = start_standin(credentials=(ACCESS, SECRET))
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server


def _pieces(token: str = "") -> set[str]:
    """Give all parts of ten characters that would reveal a key, plain and encoded."""
    texts = [SECRET, ACCESS, token, urllib.parse.quote(SECRET, safe=""), SECRET.encode().hex()]
    for before in ("", "x", "xy"):
        texts.append(base64.b64encode((before + PAIR).encode()).decode()[4:-4])
        texts.append(base64.b64encode((before + SECRET).encode()).decode()[4:-4])
    texts += [text.replace("+", "-").replace("/", "_") for text in texts]
    return {text[at : at + 10] for text in texts if text for at in range(len(text) - 9)}


def _leaks(text: str, token: str = "") -> list[str]:
    return sorted(piece for piece in _pieces(token) if piece in text)


@pytest.mark.parametrize("kind", ECHOES)
def test_a_login_that_is_echoed(
    kind: str, server: StandIn, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server.faults.add(
        Fault("echo", endpoint="auth.login", status=401, subcode=22, echo=ECHOES[kind])
    )
    assert main(["export", "--all", "--data", str(tmp_path / "data")]) == 4
    out, err = capfd.readouterr()
    assert "refused the login" in err
    assert _leaks(out + err) == []
    (row,) = pq.read_table(tmp_path / "data/current/exports").to_pylist()
    assert _leaks(row["error"]) == []


@pytest.mark.parametrize("kind", ["the header", "in JSON", "as base64 of all", "cut at its begin"])
def test_a_token_that_is_echoed(
    kind: str, server: StandIn, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tokens: list[str] = []

    def echo(header: str) -> str:
        tokens.append(header.partition(" ")[2])
        return ECHOES[kind](header)

    server.faults.add(Fault("echo", endpoint="tasks.*", subcode=12, echo=echo))
    assert main(["export", "--all", "--data", str(tmp_path / "data")]) == 4
    out, err = capfd.readouterr()
    signature = tokens[0].rpartition(".")[2]
    assert _leaks(out + err, signature) == []


def test_the_librarys_error_reveals_no_key(server: StandIn, tmp_path: Path) -> None:
    server.faults.add(Fault("echo", endpoint="auth.login", status=401, subcode=22, echo=_decoded))
    with pytest.raises(SnapshotError) as raised:
        export(tmp_path / "data", Selection())
    assert _leaks(repr(raised.value)) == []


def test_a_users_name_may_be_a_key(server: StandIn, capfd: pytest.CaptureFixture[str]) -> None:
    server.gate.identity["user_name"] = PAIR
    assert main(["whoami"]) == 0
    out, err = capfd.readouterr()
    assert _leaks(out + err) == []


SCRIPT = f"""
import logging, sys, warnings
from clearml_snapshot.cli import main
from clearml_snapshot.exporter.own_keys import remember

def bug(*_):
    remember({ACCESS!r}, {SECRET!r})
    logging.getLogger("urllib3").warning("Failed to parse headers: %s", {PAIR!r})
    warnings.warn({PAIR!r})
    raise RuntimeError({PAIR!r})

main._run = bug
from clearml_snapshot.cli.__main__ import program
program()
"""


def test_logs_warnings_and_tracebacks_reveal_no_key() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert "RuntimeError: <redacted>" in done.stderr
    assert "Failed to parse headers: <redacted>" in done.stderr
    assert "UserWarning: <redacted>" in done.stderr
    assert _leaks(done.stdout + done.stderr) == []


@pytest.fixture
def named_by_keys(server: StandIn, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    """A dataset in which names are the keys of whoever exports, as a fresh process sees it."""
    database = server.database
    task = database.add_task(f"run {PAIR}", "team", tags=[SECRET])
    database.report(task, [{"metric": f"m-{ACCESS}", "variant": SECRET, "iter": 1, "value": 0.1}])
    assert main(["export", "--all", "--data", str(tmp_path / "data")]) == 0
    capfd.readouterr()
    forget()
    return tmp_path / "data"


ANSWER = (
    "SELECT name, tags, {'k': tags} AS s, map {name: 0.1} AS m, 1e300 AS big, 0.10 AS d FROM tasks"
)


def test_an_answer_reveals_no_key(
    named_by_keys: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ask = ["sql", ANSWER, "--data", str(named_by_keys)]
    for form in ("table", "csv", "json"):
        assert main([*ask, "--format", form]) == 0
        assert _leaks("".join(capfd.readouterr())) == []
    for suffix in ("md", "jsonl", "parquet", "duckdb"):
        target = tmp_path / f"answer.{suffix}"
        assert main([*ask, "-o", str(target)]) == 0
        assert _leaks(target.read_bytes().decode("latin-1")) == [], suffix
    lines = (tmp_path / "answer.jsonl").read_text().splitlines()
    (row,) = [json.loads(line) for line in lines if "run" in line]
    safe = {"name": "run <redacted>:<redacted>", "tags": ["<redacted>"]}
    assert row == {
        **safe,
        "s": {"k": ["<redacted>"]},
        "m": {"run <redacted>:<redacted>": 0.1},
        "big": 1e300,
        "d": 0.1,
    }
    rows = pq.read_table(tmp_path / "answer.parquet").select(["name", "tags", "big"]).to_pylist()
    assert [row for row in rows if row["tags"]] == [{**safe, "big": 1e300}]


def test_no_command_reveals_a_key(named_by_keys: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ("query", "max"),
        ("query", "max", "--show", "-m", f"*{ACCESS}*"),
        ("query", "max", "-m", SECRET),
        ("status", "--format", "json"),
        ("diff", "1", "1", "--format", "json"),
        ("selections",),
    ):
        assert main([*arguments, "--data", str(named_by_keys)]) in (0, 2)
        assert _leaks("".join(capfd.readouterr())) == [], arguments


def test_a_report_reveals_no_key(
    named_by_keys: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.csv"
    copy = shutil.copytree(named_by_keys, tmp_path / "copy", symlinks=True)
    target = str(tmp_path / "target")
    assert (
        main(["merge", str(named_by_keys), str(copy), "-o", target, "--report", str(report)]) == 0
    )
    out, err = capfd.readouterr()
    assert "run <redacted>" in report.read_text()
    assert _leaks(out + err + report.read_text()) == []


def test_the_file_that_the_sdk_reads_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question never loads the SDK; the keys are read out of its file all the same."""
    file = tmp_path / "my.conf"
    file.write_text(f'api {{ credentials {{ "access_key" = "{ACCESS}"\n secret_key: {SECRET} }} }}')
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HERE", str(tmp_path))
    monkeypatch.setenv("CLEARML_CONFIG_FILE", "$HERE/my.conf")
    remember_configured()
    assert scrub(f"{ACCESS} and {SECRET}") == "<redacted> and <redacted>"


def test_the_variables_are_those_of_the_sdk() -> None:
    from clearml.backend_api.session import defs
    from clearml.backend_config.defs import LOCAL_CONFIG_FILE_OVERRIDE_VAR

    keys = (defs.ENV_ACCESS_KEY, defs.ENV_SECRET_KEY, defs.ENV_AUTH_TOKEN)
    assert sorted(VARIABLES) == sorted(name for entry in keys for name in entry.keys)
    assert LOCAL_CONFIG_FILE_OVERRIDE_VAR.keys == FILE_VARIABLES


def test_json_stays_json() -> None:
    remember(ACCESS, SECRET)
    text = json.dumps({f"k\\{ACCESS}": [f'"{SECRET}"', 0.1], "n": 1}) + " 1e400"
    assert scrub_json(text) == '{"k\\\\<redacted>": ["\\"<redacted>\\"", 0.1], "n": 1} 1e400'
    assert scrub_json('{"a": 0.10}') == '{"a": 0.10}'


def test_other_words_stay() -> None:
    remember(ACCESS, SECRET, "secret", "me", None, "")
    text = "the secret of me is in data/current; see https://api.clear.ml/v2.30/auth.login"
    assert scrub(text) == text
    assert scrub(f"GET /x?key={ACCESS}&y=1") == "GET /x?key=<redacted>&y=1"
    assert scrub(f"{ACCESS} and {SECRET}") == "<redacted> and <redacted>"
