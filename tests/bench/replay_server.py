"""A ClearML API that replays answers made beforehand, so that a benchmark measures the client.

A history of tasks x series x points is encoded and compressed once at the start, for both page
sizes that clients request. After that a request costs one dictionary look-up. Prints its address
when it is ready; ends with its standard input.

    python tests/bench/replay_server.py --tasks 100 --series 20 --points 100 --latency 0.05
"""

import argparse
import asyncio
import gzip
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import jwt

PAGE_SIZES: Final = (1_000, 10_000)
"""What the SDK's loop requests, and what clearml-snapshot requests."""
PROJECT: Final = "f" * 32
USER: Final = "e" * 32
COMPANY: Final = "d" * 32
CREATED_MS: Final = 1_750_000_000_000
VERSION: Final = "2.34"
TIMES: Final = (
    "created",
    "started",
    "completed",
    "last_update",
    "last_change",
    "status_changed",
)


@dataclass(frozen=True)
class Body:
    """One answer, as it leaves with and without compression."""

    plain: bytes
    packed: bytes


def answer(endpoint: str, data: Any, *, code: int = 200, message: str = "OK") -> Body:
    """Wrap data as the server does."""
    meta = {
        "id": "0" * 32,
        "trx": "0" * 32,
        "endpoint": {"name": endpoint, "requested_version": VERSION, "actual_version": "1.0"},
        "result_code": code,
        "result_subcode": 0,
        "result_msg": message,
        "error_stack": None,
        "error_data": {},
    }
    plain = json.dumps({"meta": meta, "data": data}).encode()
    return Body(plain, gzip.compress(plain, 6))


def task_id(number: int) -> str:
    """Name a task, 32 hex digits."""
    return f"{number:032x}"


def task_entry(number: int, points: int) -> dict[str, Any]:
    """Make one entry of a listing."""
    moment = "2025-06-15T15:06:40.250000+00:00"
    return {
        "id": task_id(number),
        "name": f"training {number}",
        "type": "training",
        "status": "completed",
        "project": {"id": PROJECT, "name": "bench"},
        "user": {"id": USER, "name": "bench"},
        "company": COMPANY,
        "tags": ["bench"],
        "system_tags": [],
        **dict.fromkeys(
            ["created", "started", "completed", "last_update", "last_change", "status_changed"],
            moment,
        ),
        "last_iteration": points,
        "hyperparams": {
            "Args": {
                "lr": {"section": "Args", "name": "lr", "value": str(number / 7), "type": "float"}
            }
        },
        "script": {"repository": "", "branch": "main", "entry_point": "train.py"},
    }


def task_events(number: int, series: int, points: int) -> list[dict[str, Any]]:
    """Make a task's events in the server's order: by iteration, from 1."""
    chance = random.Random(number)
    return [
        {
            "type": "training_stats_scalar",
            "task": task_id(number),
            "metric": f"metric_{one // 4}",
            "variant": f"variant_{one % 4}",
            "iter": iteration,
            "value": chance.random(),
            "timestamp": CREATED_MS + iteration * 1000 + one,
            "worker": "bench-worker:gpu0",
            "model_event": False,
            "@timestamp": "2025-06-15T15:06:40.250Z",
        }
        for iteration in range(1, points + 1)
        for one in range(series)
    ]


def pages(events: list[dict[str, Any]], series: int, size: int) -> Iterator[Body]:
    """Cut into pages that end with an iteration, as the server's do, and an empty last one."""
    step = -(-size // series) * series
    for page, start in enumerate(range(0, len(events) + 1, step)):
        part = events[start : start + step]
        data = {"returned": len(part), "total": len(events), "scroll_id": f"page-{page + 1}"}
        yield answer("events.get_task_events", {**data, "events": part})


@dataclass
class History:
    """All answers, ready to send."""

    tasks: int
    series: int
    points: int
    events: dict[tuple[str, int], list[Body]] = field(default_factory=dict)
    fixed: dict[str, Body] = field(default_factory=dict)
    by_id: dict[str, Body] = field(default_factory=dict)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number in range(1, self.tasks + 1):
            events = task_events(number, self.series, self.points)
            for size in PAGE_SIZES:
                self.events[task_id(number), size] = list(pages(events, self.series, size))
            # The export counts again at the end of a long task, with a page of one.
            self.events[task_id(number), 1] = [next(pages(events, self.series, 1))]
            entry = task_entry(number, self.points)
            self.entries[task_id(number)] = entry
            plain = {**entry, "project": PROJECT, "user": USER}
            self.by_id[task_id(number)] = answer("tasks.get_by_id", {"task": plain})
        self._encode_listings()

    def _encode_listings(self) -> None:
        project = {"id": PROJECT, "name": "bench", "basename": "bench", "system_tags": []}
        user = {"id": USER, "name": "bench", "company": {"id": COMPANY, "name": "bench"}}
        versions = {"version": "2.3.0", "build": "", "commit": "", "api_version": VERSION}
        fixed = {
            "tasks.get_all_ex": {"tasks": list(self.entries.values()), "scroll_id": "listed"},
            "tasks.end": {"tasks": [], "scroll_id": "listed"},
            "projects.get_all_ex": {"projects": [project], "scroll_id": "listed"},
            "projects.end": {"projects": [], "scroll_id": "listed"},
            "users.get_all_ex": {"users": [user]},
            "users.get_current_user": {"user": user, "settings": {}},
            "server.info": versions,
            "organization.get_tags": {"tags": ["bench"], "system_tags": []},
            "auth.login": {"token": token()},
        }
        self.fixed = {name: answer(name, data) for name, data in fixed.items()}

    def find(self, endpoint: str, arguments: dict[str, Any]) -> Body | None:
        """Look up the answer to one request; None: nothing was made for it."""
        if endpoint == "events.get_task_events":
            made = self.events.get((arguments.get("task", ""), arguments.get("batch_size", 500)))
            page = int((arguments.get("scroll_id") or "page-0").removeprefix("page-"))
            return made[min(page, len(made) - 1)] if made else None
        if endpoint == "tasks.get_by_id":
            return self.by_id.get(arguments.get("task", ""))
        if endpoint == "tasks.get_all_ex" and arguments.get("id"):
            chosen = [self.entries[key] for key in arguments["id"] if key in self.entries]
            return answer(endpoint, {"tasks": chosen if not arguments.get("page") else []})
        if arguments.get("scroll_id") or arguments.get("page"):
            return self.fixed.get(endpoint.partition(".")[0] + ".end")
        return self.fixed.get(endpoint)


def token() -> str:
    """Make a token as `auth.login` does; its signature is not checked."""
    identity = {"company": COMPANY, "user": USER, "company_name": "b", "user_name": "bench"}
    claims = {
        "exp": int(time.time()) + 30 * 86_400,
        "iat": int(time.time()),
        "auth_type": "Bearer",
        "identity": {**identity, "role": "user"},
        "api_version": VERSION,
        "server_version": "2.3.0",
    }
    return jwt.encode(claims, "bench" * 8, algorithm="HS256")


def endpoint_of(target: str) -> str:
    """Strip the version: ``/v2.34/auth.login`` is ``auth.login``."""
    return urlsplit(target).path.rstrip("/").rpartition("/")[2]


class Connections:
    """Serves keep-alive connections; the latency is a sleep before each answer."""

    def __init__(self, history: History, latency: float) -> None:
        self._history = history
        self._latency = latency

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the client leaves."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._exchange(head, reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()

    async def _exchange(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        endpoint = endpoint_of(first.split(" ")[1])
        reply = self._history.find(endpoint, json.loads(body) if body.strip() else {})
        status = "200 OK" if reply else "404 Not Found"
        if reply is None:
            print(f"nothing made for {endpoint} {body[:200]!r}", file=sys.stderr)
            reply = answer(endpoint, {}, code=404, message="not part of this history")
        if self._latency:
            await asyncio.sleep(self._latency)
        packed = "gzip" in headers.get("accept-encoding", "")
        content = reply.packed if packed else reply.plain
        encoding = "Content-Encoding: gzip\r\n" if packed else ""
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{encoding}"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        await writer.drain()


async def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("tasks", 100), ("series", 20), ("points", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    arguments = parser.parse_args()
    connections = Connections(
        History(arguments.tasks, arguments.series, arguments.points), arguments.latency
    )
    server = await asyncio.start_server(connections.serve, "127.0.0.1", 0, limit=1 << 20)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
