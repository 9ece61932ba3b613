"""Each thing that can be wrong on the way to a server: the error blames it, and names its setting.

At the socket: proxies, certificates and ports as they are, without a pause between two tries.
"""

import base64
import datetime
import json
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from clearml_snapshot.exporter.client.configuration import read_configuration
from clearml_snapshot.exporter.client.route import find_route
from clearml_snapshot.exporter.standin.http.server import StandIn
from tests.support.blame import OK, SECRET, Blame, Serve, answer

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("surroundings"),
]
CLOSED = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        (f"http://me:{SECRET}@127.0.0.1:1", "refuses connections"),
        ("127.0.0.1:1", "refuses connections"),
        (f"http://me:{SECRET}@nowhere.invalid:3128", "has an unknown host"),
        (f"garbage://me:{SECRET}@x", "of the unknown kind garbage://"),
        (f"socks5://me:{SECRET}@127.0.0.1:1", "needs PySocks"),
        ("http://[::1", "is not an address"),
        ("http://proxy:99999", "is not an address"),
        ("http://:3128", "does not name a host"),
        (f"http://me:“{SECRET}”@127.0.0.1:1", "a character that cannot be sent"),
    ],
)
def test_a_proxy_that_cannot_be_used(blame: Blame, proxy: str, message: str) -> None:
    line = blame(CLEARML_API_HOST="http://127.0.0.1:8008", ALL_PROXY=proxy)
    assert message in line
    assert "proxy" in line
    assert "ALL_PROXY" in line
    assert "127.0.0.1 to NO_PROXY" in line
    assert "CLEARML_API_HOST" not in line


@pytest.mark.parametrize(
    ("scheme", "status", "message"),
    [
        ("http", "407 Proxy Authentication Required", "user name and a password (HTTP 407)"),
        ("https", "407 Proxy Authentication Required", "user name and a password (HTTP 407)"),
        ("https", "503 Service Unavailable", "answered HTTP 503 to a request for https://10."),
        ("http", "403 Forbidden", "HTTP 403"),
        ("https", "403 Forbidden", "answered HTTP 403 to a request for https://10."),
    ],
)
def test_what_a_proxy_answers(
    blame: Blame, serve: Serve, scheme: str, status: str, message: str
) -> None:
    proxy = f"http://127.0.0.1:{serve(answer(status))}"
    environment = {"CLEARML_API_HOST": f"{scheme}://10.255.0.1:8008", f"{scheme}_proxy": proxy}
    line = blame(**environment)
    assert message in line
    assert f"{proxy} (from {scheme}_proxy)" in line


def test_a_proxy_without_tls(blame: Blame, serve: Serve) -> None:
    proxy = f"https://127.0.0.1:{serve(OK)}"
    line = blame(CLEARML_API_HOST="http://10.255.0.1:8008", HTTP_PROXY=proxy)
    assert "does not support TLS; start its address with http://, in HTTP_PROXY" in line


def test_no_proxy_keeps_a_broken_one_out(blame: Blame) -> None:
    line = blame(CLEARML_API_HOST=CLOSED, HTTP_PROXY="garbage://x", NO_PROXY="127.0.0.1")
    assert "connection refused" in line
    assert "proxy" not in line


def tls(tmp_path: Path, name: str = "127.0.0.1", **dates: Any) -> ssl.SSLContext:
    """Make a server's context; its authority is in ``authority.pem``."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, **dates).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return context


DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize(
    ("certificate", "message"),
    [
        ({"name": "other.example"}, "for a different name than 127.0.0.1; check CLEARML_API_HOST"),
        ({"not_after": NOW - DAY}, "has expired; renew it"),
        ({"not_before": NOW + DAY}, "is not valid yet; check the clock"),
    ],
)
def test_a_certificate_of_a_known_authority(
    blame: Blame, serve: Serve, tmp_path: Path, certificate: dict[str, Any], message: str
) -> None:
    port = serve(OK, tls(tmp_path, **certificate))
    bundle = str(tmp_path / "authority.pem")
    line = blame(CLEARML_API_HOST=f"https://127.0.0.1:{port}", REQUESTS_CA_BUNDLE=bundle)
    assert message in line
    assert "REQUESTS_CA_BUNDLE" not in line, "the authority is not to blame"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no CA bundle at"),
        ("", "contains no certificate"),
        ("no certificate", "contains no certificate"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "contains no certificate",
        ),
        ("another", "vouches for the server's certificate"),
    ],
)
@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CLEARML_API_HOST_VERIFY_CERT"])
def test_the_bundle_is_named(
    blame: Blame, serve: Serve, tmp_path: Path, variable: str, content: str | None, message: str
) -> None:
    port, bundle = serve(OK, tls(tmp_path)), tmp_path / "bundle.pem"
    if content == "another":
        trustme.CA().cert_pem.write_to_path(str(bundle))
    elif content is not None:
        bundle.write_text(content)
    environment = {"CLEARML_API_HOST": f"https://127.0.0.1:{port}", variable: str(bundle)}
    line = blame(**environment)
    assert message in line
    assert variable in line
    assert str(bundle) in line


def test_an_unknown_authority(blame: Blame, serve: Serve, tmp_path: Path) -> None:
    line = blame(CLEARML_API_HOST=f"https://127.0.0.1:{serve(OK, tls(tmp_path))}")
    assert "no known authority vouches" in line
    assert "set REQUESTS_CA_BUNDLE" in line


NGINX = b"<html>400 The plain HTTP request was sent to HTTPS port</html>"
GO = b"Client sent an HTTP request to an HTTPS server.\n"


@pytest.mark.parametrize(
    ("scheme", "behaviour", "message"),
    [
        ("https", OK, "does not use TLS on this port; is it http://? check CLEARML_API_HOST"),
        ("https", b"", "is TLS used on this port?"),
        ("http", answer("400 Bad Request", NGINX), "start the address with https://"),
        ("http", answer("400 Bad Request", GO), "start the address with https://"),
        ("http", b"", "is this a port for http? check CLEARML_API_HOST"),
        ("http", b"SSH-2.0-OpenSSH_9.6\r\n", "the answer is not HTTP; is the port correct?"),
        ("http", answer("405 Not Allowed", b"<html>"), "not the web UI, not the files server"),
        ("http", answer("200 OK", b"<html>"), "not the web UI, not the files server"),
    ],
)
def test_a_port_of_something_else(
    blame: Blame, serve: Serve, scheme: str, behaviour: bytes, message: str
) -> None:
    assert message in blame(CLEARML_API_HOST=f"{scheme}://127.0.0.1:{serve(behaviour)}")


def test_tls_behind_http(blame: Blame, serve: Serve, tmp_path: Path) -> None:
    line = blame(CLEARML_API_HOST=f"http://127.0.0.1:{serve(OK, tls(tmp_path))}")
    assert "is this a port for http? check CLEARML_API_HOST" in line


@pytest.mark.parametrize(
    ("address", "which"),
    [
        ("http://app.clearml.example", "the web UI"),
        ("https://files.clearml.example", "the files server"),
        ("http://clearml.example:8080", "the web UI"),
        ("http://clearml.example:8081", "the files server"),
    ],
)
def test_the_address_of_another_server_of_clearml(address: str, which: str) -> None:
    from clearml_snapshot.exporter.client.failures import failure
    from clearml_snapshot.exporter.client.route import Route

    line = str(failure(Route(address), "auth.login", 405, b"<html>", login=True))
    assert f"looks like that of {which}; is {address} the API server" in line


def test_the_file_that_names_a_wrong_address_is_named(blame: Blame, tmp_path: Path) -> None:
    conf = tmp_path / "my.conf"
    conf.write_text(f'api {{ api_server: "{CLOSED}" }}')
    assert f"check api.api_server in {conf}" in blame(CLEARML_CONFIG_FILE=str(conf))


def test_an_unknown_host_behind_no_proxy(blame: Blame) -> None:
    line = blame(CLEARML_API_HOST="http://nowhere.invalid")
    assert "unknown host; check CLEARML_API_HOST" in line


# Credentials go to the configured host and nowhere else.
def test_a_redirect_is_not_followed(blame: Blame, serve: Serve) -> None:
    other = socket.create_server(("127.0.0.1", 0))
    location = f"Location: http://127.0.0.1:{other.getsockname()[1]}/auth.login"
    redirect = f"HTTP/1.1 307 Moved\r\nContent-Length: 0\r\n{location}\r\n\r\n".encode()
    with other:
        assert "a redirect to" in blame(CLEARML_API_HOST=f"http://127.0.0.1:{serve(redirect)}")
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_a_proxy_sees_nothing_of_https(blame: Blame) -> None:
    """It is requested to open a tunnel, with its own password and without a key of ClearML's."""
    seen: list[bytes] = []

    def refuse() -> None:
        for _ in range(3):
            connection, _ = listener.accept()
            with connection:
                seen.append(connection.recv(65536))
                connection.sendall(answer("403 Forbidden"))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        proxy = f"http://me:other@127.0.0.1:{listener.getsockname()[1]}"
        blame(CLEARML_API_HOST="https://10.255.0.1", HTTPS_PROXY=proxy)
        thread.join(60)
    assert len(seen) == 3
    for request in seen:
        assert request.startswith(b"CONNECT 10.255.0.1:443 ")
        assert base64.b64encode(b"me:other") in request
        assert base64.b64encode(f"ACCESS-OF-THE-TESTS:{SECRET}".encode()) not in request


def test_a_login_that_is_refused_names_where_the_keys_came_from(
    start_standin: Callable[..., StandIn], blame: Blame
) -> None:
    line = blame(CLEARML_API_HOST=start_standin().url)
    assert "check CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY" in line


@pytest.mark.parametrize("status", ["401 Unauthorized", "400 Bad Request", "500 Broken"])
def test_a_server_that_quotes_what_it_got(blame: Blame, serve: Serve, status: str) -> None:
    pair = base64.b64encode(f"ACCESS-OF-THE-TESTS:{SECRET}".encode()).decode()
    meta = {"result_subcode": 1, "result_msg": f"cannot read Basic {pair} ({SECRET})"}
    body = json.dumps({"meta": meta, "data": {}}).encode()
    line = blame(CLEARML_API_HOST=f"http://127.0.0.1:{serve(answer(status, body))}")
    assert "cannot read Basic <redacted> (<redacted>)" in line
    assert pair not in line


def test_the_way_to_a_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle = tmp_path / "authority.pem"
    bundle.touch()
    monkeypatch.setenv("CLEARML_API_HOST", "https://api.example.org")
    route = find_route(read_configuration())
    assert (route.proxy, route.bundle) == (None, None)
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@proxy.example:3128")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(bundle))
    route = find_route(read_configuration())
    assert str(route.proxy) == "http://proxy.example:3128 (from HTTPS_PROXY)"
    assert str(route.bundle) == f"{bundle} (from CURL_CA_BUNDLE)"
