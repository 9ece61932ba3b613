"""A plain client: what a server answers to a call, without retries."""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from clearml_snapshot.exporter.standin.http.server import StandIn

Call = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def call() -> Call:
    """``call(server, endpoint, **body)`` -> (status, answer)."""

    def send(server: StandIn, endpoint: str, **body: Any) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {server.gate.issue(None)}"}
        url = f"{server.url}/v2.31/{endpoint}"
        response = requests.post(url, json=body, headers=headers, timeout=60)
        answer: dict[str, Any] = response.json()
        return response.status_code, answer

    return send
