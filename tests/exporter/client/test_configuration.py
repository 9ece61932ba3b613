"""Where the settings come from, as ClearML users already have them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.client.configuration import ServerConfiguration, read_configuration
from clearml_snapshot.exporter.errors import LoginError, UsageError
from clearml_snapshot.exporter.standin.data.history import grid_history
from clearml_snapshot.exporter.standin.http.server import StandIn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SECRET = "s3cr3t-of-the-tests"
ACCESS = "ACCESS-OF-THE-TESTS"
HOST = "http://10.0.0.5:8008"
Configure = Callable[..., ServerConfiguration]

CONF = """
api {{
  web_server: "{web}"
  api_server: "{api}"
  verify_certificate: {verify}
  credentials {{ access_key: "{access}", secret_key: "{secret}" }}
}}
"""


def conf(path: Path, api: str, **others: str) -> str:
    settings = {"web": "", "verify": "True", "access": ACCESS, "secret": SECRET, **others}
    path.write_text(CONF.format(api=api, **settings))
    return str(path)


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLEARML_CONFIG_FILE", str(tmp_path / "none.conf"))


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Read the configuration with these variables set besides keys."""

    def read(web_host: str | None = None, **environment: str) -> ServerConfiguration:
        keys = {"CLEARML_API_ACCESS_KEY": ACCESS, "CLEARML_API_SECRET_KEY": SECRET}
        keys |= {} if "CLEARML_CONFIG_FILE" in environment else {"CLEARML_API_HOST": HOST}
        for name, value in {**keys, **environment}.items():
            monkeypatch.setenv(name, value)
        return read_configuration(web_host)

    return read


def sources(configuration: ServerConfiguration) -> dict[str, str]:
    return {name: source for name, _, source in configuration.sources}


@pytest.mark.parametrize(
    ("api", "web"),
    [
        ("https://api.clear.ml", "https://app.clear.ml"),
        ("https://api.example.org", "https://app.example.org"),
        ("https://api.example.org:443/", "https://app.example.org"),
        ("https://user:pass@api.example.org", "https://app.example.org"),
        ("https://clearml.example.org", None),
        ("http://10.0.0.5:8008", None),
        ("http://localhost:8008", None),
    ],
)
def test_the_web_address_is_derived_only_where_that_is_sure(
    configure: Configure, api: str, web: str | None
) -> None:
    assert configure(CLEARML_API_HOST=api).web_host == web


def test_a_web_address_that_is_given_wins(configure: Configure) -> None:
    environment = {
        "CLEARML_API_HOST": "https://api.example.org",
        "CLEARML_WEB_HOST": "https://user:pass@web.example.org/",
    }
    configuration = configure(**environment)
    assert configuration.web_host == "https://web.example.org"
    assert sources(configuration)["web server"] == "CLEARML_WEB_HOST"
    assert configure("http://other:8080/", **environment).web_host == "http://other:8080"


@pytest.mark.parametrize("given", ["app.example.org", f"user:{SECRET}@app", "http://app:99999"])
def test_a_given_web_address_has_to_be_one(configure: Configure, given: str) -> None:
    with pytest.raises(UsageError, match="`web_host`") as caught:
        configure(given, CLEARML_API_HOST="https://api.example.org")
    assert SECRET not in str(caught.value)


def test_the_environment_is_named_as_the_source(configure: Configure) -> None:
    configuration = configure(CLEARML_API_HOST="http://localhost:8008/")
    assert configuration.api_host == "http://localhost:8008"
    assert sources(configuration) == {
        "api server": "CLEARML_API_HOST",
        "web server": "set CLEARML_WEB_HOST or `web_host` for links",
        "access key": "CLEARML_API_ACCESS_KEY",
        "secret key": "CLEARML_API_SECRET_KEY",
        "verify certificate": "clearml's default",
    }


def test_no_secret_is_shown(configure: Configure) -> None:
    configuration = configure(CLEARML_API_HOST=f"http://user:{SECRET}@localhost:8008")
    shown = repr(configuration)
    assert SECRET not in shown
    assert ACCESS not in shown
    assert configuration.secret_key == SECRET


def test_a_configuration_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = conf(tmp_path / "my.conf", "http://10.0.0.5:8008", web="http://10.0.0.5:8080/")
    monkeypatch.setenv("CLEARML_CONFIG_FILE", path)
    configuration = read_configuration()
    assert configuration.api_host == "http://10.0.0.5:8008"
    assert configuration.web_host == "http://10.0.0.5:8080"
    assert (configuration.access_key, configuration.secret_key) == (ACCESS, SECRET)
    assert set(sources(configuration).values()) == {path}


def test_the_environment_beats_the_file(configure: Configure, tmp_path: Path) -> None:
    path = conf(tmp_path / "my.conf", "http://10.0.0.5:8008", access="OTHER")
    configuration = configure(CLEARML_CONFIG_FILE=path)
    assert configuration.access_key == ACCESS
    assert sources(configuration)["access key"] == "CLEARML_API_ACCESS_KEY"
    assert sources(configuration)["api server"] == path


def test_a_token_takes_the_place_of_keys(configure: Configure) -> None:
    configuration = configure(CLEARML_AUTH_TOKEN="a.b.c")
    assert (configuration.token, configuration.access_key) == ("a.b.c", None)
    assert sources(configuration)["token"] == "CLEARML_AUTH_TOKEN"


@pytest.mark.parametrize(
    ("written", "means"),
    [("false", False), ("0", False), ("True", True), ("/etc/ca.pem", "/etc/ca.pem")],
)
def test_certificate_settings(configure: Configure, written: str, means: bool | str) -> None:
    assert configure(CLEARML_API_HOST_VERIFY_CERT=written).verify == means


def test_a_certificate_setting_of_the_file(configure: Configure, tmp_path: Path) -> None:
    path = conf(tmp_path / "my.conf", "https://10.0.0.5", verify="False")
    assert configure(CLEARML_CONFIG_FILE=path).verify is False


def test_without_keys_nothing_is_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(LoginError, match="clearml-init"):
        read_configuration()


@pytest.fixture
def server(start_standin: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A stand-in with three tasks, configured through the environment."""
    standin = start_standin(grid_history(3, 2, 5), credentials=(ACCESS, SECRET))
    for name, value in standin.environment().items():
        monkeypatch.setenv(name, value)
    return standin


def whoami(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    assert main(["whoami", "--format", "json", *more]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert SECRET not in out
    assert ACCESS not in out
    document = json.loads(out)
    assert isinstance(document, dict)
    return document


def test_whoami_with_variables(server: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert whoami(capsys) == {
        "server_version": "2.3.0",
        "api_version": "2.34",
        "user_name": "Default User",
        "user_id": "__tests__",
        "company": "clearml",
        "api_server": server.url,
        "api_server_from": "CLEARML_API_HOST",
        "web_server": "http://127.0.0.1:8080",
        "web_server_from": "CLEARML_WEB_HOST",
        "access_key": "ACCE…",
        "access_key_from": "CLEARML_API_ACCESS_KEY",
        "secret_key": "<set>",
        "secret_key_from": "CLEARML_API_SECRET_KEY",
        "verify_certificate": "True",
        "verify_certificate_from": "clearml's default",
        "visible_projects": 1,
        "visible_tasks": 3,
    }


def test_whoami_with_a_file(
    server: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = conf(tmp_path / "my.conf", server.url)
    for name in server.environment():
        monkeypatch.delenv(name)
    monkeypatch.setenv("CLEARML_CONFIG_FILE", path)
    login = whoami(capsys)
    assert (login["api_server"], login["api_server_from"]) == (server.url, path)
    assert (login["secret_key"], login["secret_key_from"]) == ("<set>", path)
    assert login["web_server"].startswith("unknown")


def test_whoami_with_a_token(
    server: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = server.gate.issue(None)
    for name in ("CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("CLEARML_AUTH_TOKEN", token)
    login = whoami(capsys)
    assert (login["token"], login["token_from"]) == ("<set>", "CLEARML_AUTH_TOKEN")
    assert token not in json.dumps(login)


def test_whoami_in_words(server: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["whoami", "--web-host", "http://web:8080/"]) == 0
    out, _ = capsys.readouterr()
    assert "web server          http://web:8080 (from --web-host)\n" in out
    assert out.endswith("visible             1 projects, 3 tasks\n")
    assert SECRET not in out


def test_only_reading_is_requested(server: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    whoami(capsys)
    assert {name for name, _ in server.requests} == {
        "auth.login",
        "projects.get_all_ex",
        "tasks.get_all_ex",
    }
