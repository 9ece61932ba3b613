"""A server that sends back what it was sent: none of it reaches a screen, a log or a dataset."""

import base64
import json
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter import export
from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.own_keys import forget, remember, scrub
from clearml_snapshot.exporter.selection import Selection
from clearml_snapshot.exporter.standin.faults import Fault
from clearml_snapshot.exporter.standin.server import StandIn
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
    """Give all parts of ten characters that would tell a key, plain and encoded."""
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


def test_the_librarys_error_tells_no_key(server: StandIn, tmp_path: Path) -> None:
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


def test_logs_warnings_and_tracebacks_tell_no_key() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert "RuntimeError: <redacted>" in done.stderr
    assert "Failed to parse headers: <redacted>" in done.stderr
    assert "UserWarning: <redacted>" in done.stderr
    assert _leaks(done.stdout + done.stderr) == []


def test_other_words_stay() -> None:
    remember(ACCESS, SECRET, "secret", "me", None, "")
    text = "the secret of me is in data/current; see https://api.clear.ml/v2.30/auth.login"
    assert scrub(text) == text
    assert scrub(f"GET /x?key={ACCESS}&y=1") == "GET /x?key=<redacted>&y=1"
    assert scrub(f"{ACCESS} and {SECRET}") == "<redacted> and <redacted>"
