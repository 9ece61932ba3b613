"""Reads the server's address and the credentials as the ClearML SDK does.

The only module besides the stand-in that imports clearml, and only its configuration: the SDK's
``Session`` retries 503, TLS errors and truncated bodies without end, prints to stdout and may write
files that the configuration names.
"""

import contextlib
import importlib.util
import io
import os
import sys
import threading
import types
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from clearml_snapshot.exporter.addresses import normal_address, without_userinfo
from clearml_snapshot.exporter.errors import LoginError, ServerError, UsageError
from clearml_snapshot.exporter.own_keys import remember
from clearml_snapshot.exporter.settings import setting

DEFAULT: Final = "clearml's default"
"""The source of a setting that was not set."""

NO_CREDENTIALS = (
    "no ClearML credentials; run clearml-init, or set CLEARML_API_ACCESS_KEY and "
    "CLEARML_API_SECRET_KEY"
)


@dataclass(frozen=True)
class ServerConfiguration:
    """An API server and the credentials for it."""

    api_host: str
    """Base address without a trailing slash and without credentials."""
    web_host: str | None
    """The web UI's base address; None if it is unknown."""
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    verify: bool | str = True
    """Whether to check certificates, or a CA bundle to check them against."""
    sources: tuple[tuple[str, str, str], ...] = ()
    """Setting, value that may be displayed, and where it was set."""


def read_configuration(web_host: str | None = None) -> ServerConfiguration:
    """Read ``clearml.conf`` and the ``CLEARML_*`` variables as the SDK does.

    Args:
        web_host: overrides the web UI's address.

    Raises:
        LoginError: no credentials are configured, or they cannot be sent.
        ServerError: the configuration cannot be read, or its address is not one.
        UsageError: ``web_host`` is not an address.
    """
    if not _is_sdk_shared():
        # If a version of the SDK needs more than its configuration, it is loaded as usual.
        with contextlib.suppress(ImportError, AttributeError), _only_configuration():
            return _read(web_host)
    return _read(web_host)


def _is_sdk_shared() -> bool:
    """Return whether other code of this process uses the SDK, or may load it in a thread."""
    return "clearml" in sys.modules or threading.active_count() > 1


@contextlib.contextmanager
def _only_configuration() -> Iterator[None]:
    """Let imports inside the block load single modules of the SDK, and unload them afterwards.

    ``import clearml`` loads everything, with pandas if it is installed, which takes half a second.
    Empty modules take the place of three packages, so that their ``__init__`` is not executed.
    """
    spec = importlib.util.find_spec("clearml")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("clearml is not a package")
    folder = Path(spec.submodule_search_locations[0])
    try:
        for name in ("clearml", "clearml.backend_api", "clearml.backend_api.session"):
            package = types.ModuleType(name)
            package.__path__ = [str(folder.joinpath(*name.split(".")[1:]))]
            sys.modules[name] = package
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "clearml"]:
            del sys.modules[name]


def _read(web_host: str | None) -> ServerConfiguration:
    settings = _load_settings()
    from clearml.backend_api.session import defs

    token, token_source = _setting(defs.ENV_AUTH_TOKEN, None, settings)
    access, access_source = _setting(defs.ENV_ACCESS_KEY, "api.credentials.access_key", settings)
    secret, secret_source = _setting(defs.ENV_SECRET_KEY, "api.credentials.secret_key", settings)
    remember(token, access, secret)
    if not token and not (access and secret):
        raise LoginError(_what_lacks(access, secret) + _absent_file())
    if token:
        _check_sendable("token", token, token_source, is_header=True)
    else:
        _check_sendable("access key", access or "", access_source)
        _check_sendable("secret key", secret or "", secret_source)
    host, host_source = _api_host(settings)
    web, web_source = _web_host(settings, web_host, host)
    verify, verify_source = _setting(defs.ENV_HOST_VERIFY_CERT, "api.verify_certificate", settings)
    keys = (
        (("token", "<set>", token_source),)
        if token
        else (
            ("access key", _shortened(access), access_source),
            ("secret key", "<set>", secret_source),
        )
    )
    return ServerConfiguration(
        api_host=host,
        web_host=web,
        access_key=None if token else access,
        secret_key=None if token else secret,
        token=token,
        verify=_verify(verify),
        sources=(
            ("api server", host, host_source),
            ("web server", web or "unknown", web_source),
            *keys,
            ("verify certificate", str(_verify(verify)), verify_source),
        ),
    )


def _load_settings() -> Any:
    """Load the SDK's configuration tree.

    If it cannot read a file it prints lines of it, which may contain a secret: that output is
    discarded, and errors only name the position.
    """
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from clearml.backend_api.config import load as load_config
        from clearml.backend_config import ConfigurationError
        from clearml.utilities.pyhocon import exceptions as hocon

        try:
            return load_config()  # without the SDK's default settings, which halves the time
        except (ConfigurationError, hocon.ConfigException, OSError, ValueError) as error:
            raise ServerError(
                f"the ClearML configuration {_file()} cannot be read: {_place_of(error)}"
            ) from None


def _place_of(error: Exception) -> str:
    """Name the position of an error in a configuration file, without quoting the file."""
    cause = error.__cause__ or error
    line, column = getattr(cause, "lineno", None), getattr(cause, "column", None)
    if line is not None:
        return f"line {line}, column {column} is not valid HOCON"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return f"{type(cause).__name__}; does every include and every ${{substitution}} exist?"


def _file() -> Path:
    """Return the configuration file that the SDK reads, whether it exists or not."""
    from clearml.backend_config.defs import (
        LOCAL_CONFIG_FILE_OVERRIDE_VAR,
        get_active_config_file,
        get_config_file,
    )

    active = None if LOCAL_CONFIG_FILE_OVERRIDE_VAR.get() else get_active_config_file()
    path = active or get_config_file()
    return Path(os.path.expanduser(path))  # noqa: PTH111  # Path.expanduser raises without a home


def _absent_file() -> str:
    """Explain that the requested configuration file does not exist; empty if it does."""
    from clearml.backend_config.defs import LOCAL_CONFIG_FILE_OVERRIDE_VAR as OVERRIDE

    for name in OVERRIDE.keys:
        if os.environ.get(name) and not _file().exists():
            return f" ({name} names {_file()}, which does not exist)"
    return ""


def _check_sendable(name: str, text: str, source: str, *, is_header: bool = False) -> None:
    """Check that a key or token can be sent; pasted ones contain curly quotes and more.

    Keys are sent as base64 of Latin-1, as the SDK does; a token is the header itself.

    Raises:
        LoginError: it cannot be sent; the text names the position, and nothing of the value.
    """
    for at, character in enumerate(text, 1):
        is_able = character.isprintable() and ord(character) < (127 if is_header else 256)
        if not is_able or (is_header and character == " "):
            raise LoginError(
                f"the {name} (from {source}) cannot be sent: character {at} of {len(text)} is "
                f"{_kind(character)}; copy it again, without quotes and line breaks"
            )


def _kind(character: str) -> str:
    if character in "\r\n\u2028\u2029\v\f\x85":
        return "a line break"
    if character.isspace():
        return "a space"
    return {
        "C": "an invisible character",
        "P": "a typographic quotation mark or dash",
    }.get(unicodedata.category(character)[0], "not a letter or digit that occurs in keys")


def _setting(entry: Any, key: str | None, settings: Any) -> tuple[str | None, str]:
    """Return a setting and its source; the environment overrides the configuration file."""
    for name in entry.keys:
        if value := os.environ.get(name, "").strip():
            return value, name
    configured = _configured(settings, key) if key else None
    return (configured, _file_source()) if configured else (None, "not set")


def _configured(settings: Any, key: str) -> str | None:
    """Return a value of the configuration file, without surrounding white space.

    Raises:
        ServerError: it is a group or a list.
    """
    from clearml.utilities.pyhocon import exceptions as hocon

    try:
        value = settings.get(key, None)
    except hocon.ConfigException:  # for example, api.credentials is a text
        value = []
    if isinstance(value, dict | list):
        raise ServerError(f"{key} in {_file()} is not a text; correct the file")
    return None if value is None else str(value).strip() or None


def _file_source() -> str:
    return str(_file()) if _file().is_file() else DEFAULT


def _what_lacks(access: str | None, secret: str | None) -> str:
    """Name the half of the credentials that is missing if the other one is set."""
    if not access and not secret:
        return NO_CREDENTIALS
    there, absent = ("access", "SECRET") if access else ("secret", "ACCESS")
    return f"there is a ClearML {there} key, but CLEARML_API_{absent}_KEY is not set; set both"


def _api_host(settings: Any) -> tuple[str, str]:
    """Find the API server's address.

    Raises:
        ServerError: it is not an address, or the requested file does not exist: the keys would
            be sent to ClearML's own server.
    """
    from clearml.backend_api.session import defs

    given, source = _setting(defs.ENV_HOST, "api.api_server", settings)
    if given is None and (given := _configured(settings, "api.host")):
        source = _file_source()
    if given is None:
        from clearml.backend_api.session.session import Session

        given, source = Session.default_host, DEFAULT
        if absent := _absent_file():
            raise ServerError(f"the API server's address is not set{absent}; correct the variable")
    host = normal_address(given)
    if host is None:
        raise ServerError(
            f"the API server's address {without_userinfo(given)!r} (from {source}) is not an "
            "http(s) address; set CLEARML_API_HOST, e.g. https://api.clear.ml"
        )
    return host, source


def _web_host(settings: Any, given: str | None, api_host: str) -> tuple[str | None, str]:
    """Find the web UI as the SDK does, but without its guess for an API at port 8008.

    Raises:
        UsageError, ServerError: the given or configured value is not an address.
    """
    from clearml.backend_api.session import defs

    if given:
        if normal_address(given) is None:
            raise UsageError(
                f"{setting('web_host')}: {without_userinfo(given)!r} is not an http(s) "
                "address, such as https://app.clear.ml"
            )
        return normal_address(given), setting("web_host")
    unknown = (None, f"set CLEARML_WEB_HOST or {setting('web_host')} for links")
    configured, source = _setting(defs.ENV_WEB_HOST, "api.web_server", settings)
    if configured:
        if normal_address(configured) is None:
            raise ServerError(
                f"the web address {without_userinfo(configured)!r} (from {source}) is not an "
                "http(s) address; set CLEARML_WEB_HOST, e.g. https://app.clear.ml"
            )
        return normal_address(configured), source
    derived = api_host.replace("://api.", "://app.", 1)
    if derived == api_host or urlsplit(api_host).port == 8008:
        return unknown
    return derived, "derived from the api server"


def _shortened(key: str | None) -> str:
    return f"{key[:4]}…" if key and len(key) > 8 else "<set>"


def _verify(text: str | None) -> bool | str:
    """Read a certificate setting as the SDK does: a boolean, or the path of a CA bundle."""
    if text is None or text.lower() in {"true", "1", "yes", "on", "t", "y"}:
        return True
    return False if text.lower() in {"false", "0", "no", "off", "f", "n"} else text
