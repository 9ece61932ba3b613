"""Credentials and tokens: who may send requests, and how a refusal is worded."""

import base64
import binascii
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import jwt

from clearml_snapshot.exporter.standin.errors import fail

API_VERSION = "2.34"
SERVER_VERSION = "2.3.0"
_SECRET = "the stand-in's tokens are worth nothing anywhere else"
_DEFAULT_SECONDS = 2_592_000
_MAX_SECONDS = 31_536_000


@dataclass
class Gate:
    """Checks the Authorization header against one pair of keys.

    ``token_seconds`` shortens the tokens' life, for tests of renewal; ``revoked`` holds the
    sessions of tokens that are refused from now on; ``versions`` are those of the API and of the
    server, the newest known ones by default.
    """

    access_key: str
    secret_key: str
    identity: dict[str, str]
    token_seconds: float = _DEFAULT_SECONDS
    revoked: set[str] = field(default_factory=set)
    versions: tuple[str, str] | None = None
    _sessions: list[str] = field(default_factory=list)

    def check(self, header: str | None) -> None:
        """Raise a 401 unless the header holds our keys or a live token."""
        if not header:
            fail(401, 20)
        scheme, _, credentials = header.partition(" ")
        if scheme == "Basic":
            self._check_keys(credentials)
        elif scheme == "Bearer":
            self._check_token(credentials)
        else:
            fail(401, 10)

    def issue(self, seconds: int | None) -> str:
        """Return a new token; ``seconds`` is the caller's wish (at most a year)."""
        if seconds and seconds > _MAX_SECONDS:
            fail(400, 12, f"'{seconds}' is higher than maximum ('{_MAX_SECONDS}').")
        session = uuid.uuid4().hex
        self._sessions.append(session)
        now = int(time.time())
        api_version, server_version = self.versions or (API_VERSION, SERVER_VERSION)
        payload = {
            "env": "<unknown>",
            "exp": now + (seconds or self.token_seconds),
            "auth_type": "Bearer",
            "session_id": session,
            "iat": now,
            "identity": self.identity,
            "api_version": api_version,
            "server_version": server_version,
            "server_build": "",
            "feature_set": "basic",
        }
        return jwt.encode(payload, _SECRET, algorithm="HS256")

    def revoke_all(self) -> None:
        """Refuse every token given out so far; new logins work."""
        self.revoked.update(self._sessions)

    def _check_keys(self, credentials: str) -> None:
        try:
            pair = base64.b64decode(credentials.encode()).decode("latin-1")
        except (binascii.Error, ValueError) as error:
            fail(401, 21, str(error))
        key, _, secret = pair.partition(":")
        if (key, secret) != (self.access_key, self.secret_key):
            fail(401, 22, "failed to locate provided credentials")

    def _check_token(self, token: str) -> None:
        try:
            payload: dict[str, Any] = jwt.decode(token, _SECRET, algorithms=["HS256"])
        except jwt.InvalidTokenError as error:
            fail(401, 30, "invalid jwt token", reason=error)
        if payload.get("session_id") in self.revoked:
            fail(401, 30, "revoked token")
