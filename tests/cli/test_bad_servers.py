"""Whatever a server is or does: one line, exit code 4, in bounded time, and no secret."""

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.standin.http.server import StandIn
from tests.conftest import Clock
from tests.support.raw_server import Behaviour, RawServer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SECRET = "s3cr3t-of-the-tests"
Run = Callable[..., str]
Serve = Callable[..., str]


def _answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """Write an answer of a server that closes: a connection used again might find it closed."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if "Content_Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _drip(connection: socket.socket, stopping: threading.Event) -> None:
    connection.sendall(_answer(b"", Content_Length="1000"))
    while not stopping.wait(0.1):
        connection.sendall(b" ")


def _drip_headers(connection: socket.socket, stopping: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not stopping.wait(0.1):
        connection.sendall(b"x")


def _pour(connection: socket.socket, stopping: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    while not stopping.wait(0.001):
        connection.sendall(b"1," * 1000)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start raw servers; gives their addresses."""
    with ExitStack() as stack:

        def start(
            behaviour: Behaviour, scheme: str = "http", context: ssl.SSLContext | None = None
        ) -> str:
            server = RawServer(behaviour, context)
            stack.callback(server.stop)
            return f"{scheme}://127.0.0.1:{server.port}"

        yield start


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration of this machine, and keys that are nowhere else."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "CLEARML_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLEARML_CONFIG_FILE", str(tmp_path / "none.conf"))
    monkeypatch.setenv("CLEARML_API_ACCESS_KEY", "ACCESS-OF-THE-TESTS")
    monkeypatch.setenv("CLEARML_API_SECRET_KEY", SECRET)


@pytest.fixture
def fails(
    surroundings: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    clock: Clock,
) -> Run:
    """Export, see it fail as promised, and give the line that it failed with.

    With --once, so that nothing is to be remembered and no folder stays.

    Pauses between two tries take no time, and what answers has a minute for it; only a server that
    never answers is tested with ``stalls``, which gives it 0.3 s.
    """

    def run(environment: Mapping[str, str | None], *, stalls: bool = False, code: int = 4) -> str:
        for name, value in environment.items():
            if value is None:
                monkeypatch.delenv(name)
            else:
                monkeypatch.setenv(name, value)
        begun = clock.now
        limits = ["--timeout", "0.3", "--give-up-after", "0.3"] if stalls else []
        assert (
            main(["export", "--all", "--once", "--data", str(tmp_path / "data"), *limits]) == code
        )
        assert clock.now - begun <= 120 + 11, "--give-up-after, and the longest pause after it"
        out, err = capfd.readouterr()
        assert out == ""
        assert SECRET not in err
        lines = err.splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        assert errors == lines[-1:], err
        notes = ("; trying again", "certificates are not checked")
        assert all(any(note in line for note in notes) for line in lines[:-1]), err
        assert not (tmp_path / "data").exists()
        return errors[0]

    return run


def test_no_credentials(fails: Run) -> None:
    lacking = {"CLEARML_API_ACCESS_KEY": None, "CLEARML_API_SECRET_KEY": None}
    line = fails(lacking)
    assert "no ClearML credentials" in line
    assert "CLEARML_API_ACCESS_KEY" in line


def test_half_credentials(fails: Run) -> None:
    assert "CLEARML_API_ACCESS_KEY is not set" in fails({"CLEARML_API_ACCESS_KEY": None})


def test_the_other_half(fails: Run) -> None:
    assert "CLEARML_API_SECRET_KEY is not set" in fails({"CLEARML_API_SECRET_KEY": None})


def test_wrong_credentials(fails: Run, start_standin: Callable[..., StandIn]) -> None:
    server = start_standin()
    line = fails({"CLEARML_API_HOST": server.url})
    assert "refused the login" in line
    assert "CLEARML_API_ACCESS_KEY" in line
    assert len(server.requests) == 1, "wrong keys are not tried again"


def test_a_wrong_token(fails: Run, start_standin: Callable[..., StandIn]) -> None:
    environment = {"CLEARML_API_HOST": start_standin().url, "CLEARML_AUTH_TOKEN": SECRET}
    assert "CLEARML_AUTH_TOKEN" in fails(environment)


def test_an_unknown_host(fails: Run) -> None:
    assert "unknown host" in fails({"CLEARML_API_HOST": "http://nowhere.invalid"})


def test_a_refused_connection(fails: Run) -> None:
    assert "connection refused" in fails({"CLEARML_API_HOST": "http://127.0.0.1:1"})


@pytest.mark.parametrize(
    "address",
    [
        "localhost:8008",
        "127.0.0.1",
        "ftp://127.0.0.1",
        "http://",
        "http://:8008",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:port",
        "http://[::1",
        "http://a..b",
        "http://exa mple",
        "http://*",
        "http://127.0.0.1/?key=1",
        f"user:{SECRET}@127.0.0.1:8008",
        f"http://user:{SECRET}@127.0.0.1:99999",
        f"http://user:{SECRET}/@127.0.0.1:99999",
        f"http://user://{SECRET}@127.0.0.1:99999",
        f"user://{SECRET}:@127.0.0.1:99999",
    ],
)
def test_what_is_not_an_address(fails: Run, address: str) -> None:
    assert "address" in fails({"CLEARML_API_HOST": address})


def test_a_password_in_the_address_is_never_shown(fails: Run) -> None:
    line = fails({"CLEARML_API_HOST": f"http://user:{SECRET}@127.0.0.1:1"})
    assert "http://127.0.0.1:1: connection refused" in line


@pytest.mark.parametrize("setting", [f"user:{SECRET}@app", f"http://user:{SECRET}@app:99999"])
def test_a_web_address_that_is_invalid(fails: Run, setting: str) -> None:
    environment = {"CLEARML_API_HOST": "http://127.0.0.1:1", "CLEARML_WEB_HOST": setting}
    assert "web address" in fails(environment)


def _tls(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A server's context, and the file of the authority that vouches for it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    return context, str(bundle)


def test_a_certificate_that_is_not_trusted(fails: Run, serve: Serve, tmp_path: Path) -> None:
    context, _ = _tls(tmp_path)
    line = fails({"CLEARML_API_HOST": serve(_answer(b"{}"), "https", context)})
    assert "certificate verify failed" in line
    assert "REQUESTS_CA_BUNDLE" in line


def test_a_bundle_vouches_for_a_private_authority(fails: Run, serve: Serve, tmp_path: Path) -> None:
    context, bundle = _tls(tmp_path)
    address = serve(_answer(b"{}"), "https", context)
    line = fails({"CLEARML_API_HOST": address, "REQUESTS_CA_BUNDLE": bundle})
    assert "login was answered with" in line, "TLS is fine, what answers is no ClearML"


def test_not_checking_beats_a_bundle(fails: Run, serve: Serve, tmp_path: Path) -> None:
    context, _ = _tls(tmp_path)
    environment = {
        "CLEARML_API_HOST": serve(_answer(b"{}"), "https", context),
        "CLEARML_API_HOST_VERIFY_CERT": "false",
        "REQUESTS_CA_BUNDLE": _bundle_of_others(tmp_path),
    }
    assert "login was answered with" in fails(environment)


def _bundle_of_others(tmp_path: Path) -> str:
    path = tmp_path / "others.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return str(path)


def test_tls_to_a_port_without(fails: Run, serve: Serve) -> None:
    line = fails({"CLEARML_API_HOST": serve(_answer(b"{}"), "https")})
    assert "TLS: the server does not use TLS on this port" in line


def test_no_tls_to_a_port_with(fails: Run, serve: Serve, tmp_path: Path) -> None:
    context, _ = _tls(tmp_path)
    assert "127.0.0.1" in fails({"CLEARML_API_HOST": serve(b"", "http", context)})


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_an_invalid_bundle(fails: Run, serve: Serve, tmp_path: Path, content: str | None) -> None:
    context, _ = _tls(tmp_path)
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    address = serve(_answer(b"{}"), "https", context)
    line = fails({"CLEARML_API_HOST": address, "REQUESTS_CA_BUNDLE": str(bundle)})
    assert "bundle" in line.lower()


PAGE = b"<!DOCTYPE html><html><body>ClearML</body></html>"


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        pytest.param(_answer(PAGE), "an HTML page", id="the web UI"),
        pytest.param(_answer(PAGE, "404 Not Found"), "an HTML page", id="404 of the web UI"),
        pytest.param(_answer(PAGE, "405 Not Allowed"), "is http://127.0.0.1", id="405"),
        pytest.param(
            _answer(b"", "301 Moved", Location=f"https://u:{SECRET}@app.org/x?{SECRET}"),
            "redirect to https://app.org",
            id="a redirect",
        ),
        pytest.param(
            _answer(b"", "302 Found", Location="http://[::1"), "redirect", id="to nowhere"
        ),
        pytest.param(_answer(b"", "302 Found", Location="/login"), "redirect", id="to a page"),
        pytest.param(_answer(b"{}", "404 Not Found"), "HTTP 404", id="404"),
        pytest.param(_answer(b"", "503 Service Unavailable"), "HTTP 503", id="503"),
        pytest.param(
            _answer(b"", "429 Slow down", Retry_After="3600"), "3600 s", id="429 for an hour"
        ),
        pytest.param(_answer(b"", "502 Bad Gateway"), "HTTP 502", id="502"),
        pytest.param(_answer(b"", "401 Unauthorized"), "refused the login", id="a bare 401"),
        pytest.param(_answer(PAGE, "403 Forbidden"), "HTTP 403", id="403 of a proxy"),
        pytest.param(_answer(b""), "an empty body", id="empty"),
        pytest.param(_answer(b"\x00\xff\xfe"), "not ClearML's JSON", id="garbage"),
        pytest.param(_answer(b"[" * 100_000), "not ClearML's JSON", id="deep"),
        pytest.param(_answer(b'{"data": {"token": 1}}'), "not ClearML's JSON", id="no token"),
        pytest.param(_answer(b'{"data": {"token": "a.b.c"}}'), "ClearML's", id="a bad token"),
        pytest.param(_answer(b'{"data"', Content_Length="99"), "truncated", id="truncated"),
        pytest.param(_answer(b"no gzip", Content_Encoding="gzip"), "decompressed", id="wrong gzip"),
        pytest.param(
            _answer(gzip.compress(b"{}")[:-9], Content_Encoding="gzip"), "", id="half a gzip"
        ),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", "the answer is not HTTP", id="no HTTP at all"),
        pytest.param(b"", "dropped", id="hangs up"),
        pytest.param(lambda _, stopping: stopping.wait(30), "no complete answer", id="stalled"),
        pytest.param(_drip, "no complete answer", id="a dripped body"),
        pytest.param(_drip_headers, "no complete answer", id="dripped headers"),
        pytest.param(_pour, "no complete answer", id="a body without end"),
    ],
)
def test_a_server_that_is_not_clearml(
    fails: Run, serve: Serve, behaviour: Behaviour, message: str
) -> None:
    stalls = message == "no complete answer"
    assert message in fails({"CLEARML_API_HOST": serve(behaviour)}, stalls=stalls)


def test_503_for_ever_from_clearml_itself(
    fails: Run, start_standin: Callable[..., StandIn]
) -> None:
    server = start_standin(faults=[Fault("status", status=503)])
    line = fails({"CLEARML_API_HOST": server.url})
    assert "HTTP 503" in line
    assert "--give-up-after" in line


def test_500_for_ever_from_clearml_itself(
    fails: Run, start_standin: Callable[..., StandIn]
) -> None:
    server = start_standin(faults=[Fault("status", status=500)])
    assert "HTTP 500" in fails({"CLEARML_API_HOST": server.url})


@pytest.mark.parametrize(
    "text", ["api { credentials {", "api: [1,", "\x00\xff", "include nothing("]
)
def test_a_broken_configuration_file(fails: Run, tmp_path: Path, text: str) -> None:
    path = tmp_path / "clearml.conf"
    path.write_text(text + f'\nsecret_key: "{SECRET}"\n')
    line = fails({"CLEARML_CONFIG_FILE": str(path), "CLEARML_API_HOST": "http://127.0.0.1:1"})
    assert "clearml.conf" in line or "configuration" in line


def test_a_configuration_file_that_is_a_folder(fails: Run, tmp_path: Path) -> None:
    fails({"CLEARML_CONFIG_FILE": str(tmp_path), "CLEARML_API_HOST": "http://127.0.0.1:1"})
