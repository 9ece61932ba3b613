"""Keys that are missing, of a broken file, or that no header can carry."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import jwt
import pytest

from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.client.configuration import read_configuration
from clearml_snapshot.exporter.standin.http.server import StandIn
from tests.support.blame import SECRET, Blame, Serve, answer

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("surroundings"),
]
CLOSED = "http://127.0.0.1:1"


# The configuration file.
@pytest.fixture
def no_keys(surroundings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY"):
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("no_keys")
def test_credentials_that_are_a_text_are_none(blame: Blame, tmp_path: Path) -> None:
    conf = tmp_path / "my.conf"
    conf.write_text(f'api {{ credentials: "{SECRET}" }}')
    assert "no ClearML credentials" in blame(CLEARML_CONFIG_FILE=str(conf))


@pytest.mark.usefixtures("no_keys")
def test_a_configuration_file_that_is_not_there(blame: Blame) -> None:
    line = blame(CLEARML_CONFIG_FILE="/nonexistent/clearml.conf")
    assert "CLEARML_CONFIG_FILE names /nonexistent/clearml.conf, which does not exist" in line


def test_keys_do_not_go_to_the_default_server_for_a_mistyped_file(blame: Blame) -> None:
    """The file was to name the server; ClearML's own is not it."""
    line = blame(CLEARML_CONFIG_FILE="/nonexistent/clearml.conf")
    assert "CLEARML_CONFIG_FILE names /nonexistent/clearml.conf" in line


BROKEN: Mapping[str, tuple[str, str]] = {
    "an open quote": (f'api {{ credentials {{ secret_key: "{SECRET}\n}} }}', "line "),
    "no value": (f"api {{ credentials {{ secret_key {SECRET} }}", "line "),
    "a substitution": (f"api {{ api_server: ${{{SECRET}}} }}", "substitution"),
    "a key is a group": (f"api.credentials.secret_key {{ {SECRET}: 1 }}", "is not a text"),
    "a key is a list": (f'api.credentials.secret_key: ["{SECRET}"]', "is not a text"),
}


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_not_quoted(
    blame: Blame, tmp_path: Path, capfd: pytest.CaptureFixture[str], case: str
) -> None:
    content, message = BROKEN[case]
    conf = tmp_path / "my.conf"
    conf.write_text(content)
    line = blame(CLEARML_CONFIG_FILE=str(conf))
    assert message in line
    assert str(conf) in line
    assert SECRET not in "".join(capfd.readouterr())


# Keys and tokens that cannot be sent.
ODD: Mapping[str, str] = {
    "“{}”": "a typographic quotation mark",
    "{}\u200b": "an invisible character",
    "\ufeff{}": "an invisible character",
    "{}\nx": "a line break",
    "{}\u2028x": "a line break",
    "К{}": "not a letter or digit",
    "{}\U0001f511": "not a letter or digit",
    "{}\udcff": "an invisible character",
    "{}\xa0x": "a space",
    "{}\x7fx": "an invisible character",
}


@pytest.mark.parametrize("form", ODD)
def test_a_key_that_cannot_be_sent(blame: Blame, form: str) -> None:
    line = blame(CLEARML_API_HOST=CLOSED, CLEARML_API_SECRET_KEY=form.format(SECRET))
    assert "the secret key (from CLEARML_API_SECRET_KEY) cannot be sent" in line
    assert ODD[form] in line


@pytest.mark.parametrize(
    ("variable", "value", "name"),
    [
        ("CLEARML_API_ACCESS_KEY", f"“{SECRET}", "access key"),
        ("CLEARML_AUTH_TOKEN", f"{SECRET}\nx", "token"),
        ("CLEARML_AUTH_TOKEN", f"{SECRET}é", "token"),
        ("CLEARML_AUTH_TOKEN", f"{SECRET} x", "token"),
    ],
)
def test_the_setting_is_named(blame: Blame, variable: str, value: str, name: str) -> None:
    line = blame(**{"CLEARML_API_HOST": CLOSED, variable: value})
    assert f"the {name} (from {variable}) cannot be sent" in line


def test_a_token_of_the_server_that_no_header_can_carry(blame: Blame, serve: Serve) -> None:
    token = jwt.encode({"n": SECRET}, "k" * 32) + "\n“"
    body = json.dumps({"meta": {}, "data": {"token": token}}).encode()
    line = blame(CLEARML_API_HOST=f"http://127.0.0.1:{serve(answer('200 OK', body))}")
    assert "the login was answered with" in line
    assert token.split(".")[1] not in line


def test_a_key_of_the_file_that_cannot_be_sent(blame: Blame, tmp_path: Path) -> None:
    conf = tmp_path / "my.conf"
    keys = f'access_key: "A", secret_key: "{SECRET}\u200b"'
    conf.write_text(f'api {{ api_server: "{CLOSED}", credentials {{ {keys} }} }}')
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CLEARML_API_ACCESS_KEY")
        patch.delenv("CLEARML_API_SECRET_KEY")
        line = blame(CLEARML_CONFIG_FILE=str(conf))
    assert f"the secret key (from {conf}) cannot be sent" in line


@pytest.mark.parametrize("source", ["environment", "file"])
def test_white_space_around_keys_is_not_part_of_them(
    start_standin: Callable[..., StandIn],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    source: str,
) -> None:
    """The SDK strips what variables hold; in a file a pasted blank is as easily overlooked."""
    server = start_standin(credentials=("KEY", SECRET))
    monkeypatch.setenv("CLEARML_API_HOST", f"{server.url}/ ")
    if source == "environment":
        monkeypatch.setenv("CLEARML_API_ACCESS_KEY", " KEY\r\n")
        monkeypatch.setenv("CLEARML_API_SECRET_KEY", f"{SECRET} \n")
    else:
        conf = tmp_path / "my.conf"
        conf.write_text(
            f'api {{ credentials {{ access_key: "KEY ", secret_key: """{SECRET}\n""" }} }}'
        )
        monkeypatch.delenv("CLEARML_API_ACCESS_KEY")
        monkeypatch.delenv("CLEARML_API_SECRET_KEY")
        monkeypatch.setenv("CLEARML_CONFIG_FILE", str(conf))
    Client(read_configuration()).login()


def test_a_password_of_latin_letters_is_sent(
    start_standin: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user that the server's own configuration defines may have one; the SDK can send it."""
    server = start_standin(credentials=("müller", "grüße aus Köln"))
    monkeypatch.setenv("CLEARML_API_HOST", server.url)
    monkeypatch.setenv("CLEARML_API_ACCESS_KEY", "müller")
    monkeypatch.setenv("CLEARML_API_SECRET_KEY", "grüße aus Köln")
    assert Client(read_configuration()).login().user_id
