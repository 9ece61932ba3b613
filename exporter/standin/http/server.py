"""The stand-in over real HTTP on loopback: connections, envelope, compression, faults."""

import contextlib
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from clearml_snapshot.exporter.standin.api import older
from clearml_snapshot.exporter.standin.api.events import Encoded, Events
from clearml_snapshot.exporter.standin.api.records import Records
from clearml_snapshot.exporter.standin.auth import API_VERSION, SERVER_VERSION, Gate
from clearml_snapshot.exporter.standin.data.database import DEFAULT_USER, Database
from clearml_snapshot.exporter.standin.errors import ApiError
from clearml_snapshot.exporter.standin.http import schemas
from clearml_snapshot.exporter.standin.http.connections import Handler, Server
from clearml_snapshot.exporter.standin.http.faults import Fault, FaultPlan

# The version in which an endpoint was added, if it is not 1.0.
_SINCE = {
    "server.info": "2.12",
    "events.scalar_metrics_iter_raw": "2.16",
    "users.get_all_ex": "2.8",
    "projects.get_task_tags": "2.8",
}
_PATH = re.compile(r"^/?(?:v(?P<version>\d+\.?\d+)/)?(?P<name>[a-zA-Z_]\w+\.[a-zA-Z_]\w+)/?$")
_BAD_JSON = "The browser (or proxy) sent a request that this server could not understand."


class StandIn:
    """The embedded ClearML API: ``with StandIn(database) as server: …``.

    Args:
        database: what it serves; an empty one by default. Changes show at once.
        credentials: (access key, secret key).
        faults: what goes wrong.
        port: 0 chooses a free one.
        user: whom the keys belong to.
        versions: of the API and of the server, as ``("2.13", "1.0.2")``: an older server lacks
            endpoints and ignores what it does not know, see ``older``.

    Attributes:
        url: without a trailing slash.
        requests: (endpoint, body) of each call seen, in order.
        unknown: requested endpoints that do not exist here.
        gate: tokens: ``gate.token_seconds``, ``gate.revoke_all()``.
        records: listings: ``records.scrolls.seconds``.
        meanwhile: called with (endpoint, body) before each answer, to change the records between
            two pages of one list.
    """

    def __init__(
        self,
        database: Database | None = None,
        *,
        credentials: tuple[str, str] = ("STANDIN_KEY", "stand-in secret"),
        faults: FaultPlan | Iterable[Fault] = (),
        port: int = 0,
        user: str = DEFAULT_USER,
        versions: tuple[str, str] = (API_VERSION, SERVER_VERSION),
    ) -> None:
        self.database = Database() if database is None else database
        self.access_key, self.secret_key = credentials
        self.faults = faults if isinstance(faults, FaultPlan) else FaultPlan(faults)
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.unknown: list[str] = []
        self.meanwhile: Callable[[str, dict[str, Any]], None] = lambda endpoint, body: None
        identity = {"company": self.database.company, "user": user, "company_name": "clearml"}
        identity |= {"user_name": self.database.users[user]["name"], "role": "user"}
        self.gate = Gate(self.access_key, self.secret_key, identity)
        self.version = _number(versions[0])
        if versions != (API_VERSION, SERVER_VERSION):
            self.gate.versions = versions
        self.records = Records(self.database, user, versions)
        self._handlers: dict[str, Callable[[Any], dict[str, Any] | Encoded]] = {
            **self.records.endpoints(),
            **Events(self.records, by_time=older.pages_by_time(self.version)).endpoints(),
            "auth.login": lambda body: {"token": self.gate.issue(body.get("expiration_sec"))},
        }
        self.stopping = threading.Event()
        self._server = Server(("127.0.0.1", port), Handler)
        self._server.standin = self
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def endpoints(self) -> list[str]:
        """All endpoints."""
        return sorted(self._handlers)

    def environment(self) -> dict[str, str]:
        """Return the variables that make ClearML's SDK use this server and no file of the user."""
        return {
            "CLEARML_API_HOST": self.url,
            "CLEARML_WEB_HOST": "http://127.0.0.1:8080",
            "CLEARML_FILES_HOST": "http://127.0.0.1:8081",
            "CLEARML_API_ACCESS_KEY": self.access_key,
            "CLEARML_API_SECRET_KEY": self.secret_key,
            # An empty value counts as none: the caller's own token must not go before the keys.
            "CLEARML_AUTH_TOKEN": "",
            "NO_PROXY": "127.0.0.1",
            "CLEARML_CONFIG_FILE": str(Path("/nonexistent/clearml.conf")),
        }

    def start(self) -> Self:
        """Start answering in a new thread.

        The schemas are loaded first: the first call must not wait for clearml's import.
        """
        schemas.load()
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop, and end waiting requests."""
        self.stopping.set()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.end_connections()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def answer(
        self, path: str, authorization: str | None, payload: bytes
    ) -> tuple[int, bytes, Fault | None]:
        """Return (status, JSON body, the fault to apply)."""
        meta = _Meta()
        call = _Call(payload)
        try:
            data = self._answer(meta, call, path, authorization)
        except ApiError as error:
            body = meta.envelope(error.code, error.subcode, error.message, "{}")
            return error.code, body, call.fault
        return 200, meta.envelope(200, 0, "OK", data), call.fault

    def _answer(self, meta: "_Meta", call: "_Call", path: str, authorization: str | None) -> str:
        name = meta.read(path)
        handler = self._handlers.get(name)
        is_new = _number(meta.requested) < _number(_SINCE.get(name, "1.0"))
        if handler is None or is_new or not older.has(self.version, name):
            self.unknown.append(name)
            text = f"Unable to find endpoint for name {name} and version {meta.requested}"
            raise ApiError(404, 0, text)
        meta.actual = _SINCE.get(name, "1.0")
        body = _peek(call.payload)
        self.requests.append((name, body))
        self.meanwhile(name, body)
        call.fault = self.faults.pick(name, body)
        _refuse(call.fault, authorization or "")
        self.gate.check(authorization)
        body = _read_body(call.payload)
        if call.fault is not None and call.fault.kind == "mixed up":
            body = {**body, **call.fault.instead}
        schemas.validate(name, body)
        with self.database.lock:
            data = handler(older.understood(self.version, name, body))
            return data.text if isinstance(data, Encoded) else json.dumps(data, default=_plain)


@dataclass
class _Call:
    """One request in progress, and the fault for its answer."""

    payload: bytes
    fault: Fault | None = None


def _refuse(fault: Fault | None, authorization: str) -> None:
    """Raise the error of a fault, if the fault is an error answer."""
    if fault is not None and fault.kind == "expired":
        raise ApiError(401, 30, "Invalid token (invalid jwt token): reason=Signature has expired")
    if fault is not None and fault.kind == "echo":
        raise ApiError(fault.status or 400, fault.subcode, fault.echo(authorization))
    if fault is not None and fault.kind == "status":
        raise ApiError(fault.status or 503, fault.subcode, "General server error")


class _Meta:
    """The metadata of an answer."""

    def __init__(self) -> None:
        self.name = ""
        self.requested = API_VERSION
        self.actual: str | None = None

    def read(self, path: str) -> str:
        """Take the endpoint and its version from the path."""
        match = _PATH.match(path.partition("?")[0])
        if match is None:
            raise ApiError(400, 0, f"Invalid request path {path}")
        self.name = match["name"]
        self.requested = match["version"] or API_VERSION
        return self.name

    def envelope(self, code: int, subcode: int, message: str, data: str) -> bytes:
        """Return the complete body around JSON text."""
        call = uuid.uuid4().hex
        endpoint = {
            "name": self.name,
            "requested_version": self.requested,
            "actual_version": self.actual,
        }
        meta = {
            "id": call,
            "trx": call,
            "endpoint": endpoint,
            "result_code": code,
            "result_subcode": subcode,
            "result_msg": message,
            "error_stack": None,
            "error_data": {},
        }
        return f'{{"meta":{json.dumps(meta)},"data":{data}}}'.encode("utf-8", "surrogatepass")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _peek(payload: bytes) -> dict[str, Any]:
    """Return the body for the log and the faults; {} where it is none."""
    with contextlib.suppress(ValueError):
        body = json.loads(payload)
        if isinstance(body, dict):
            return body
    return {}


def _read_body(payload: bytes) -> dict[str, Any]:
    try:
        body = json.loads(payload) if payload else {}
    except ValueError:
        raise ApiError(400, 0, _BAD_JSON) from None
    if body and not isinstance(body, dict):
        raise ApiError(500, 0, "Data should be a dict")
    return body or {}


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in an answer")
