"""The page in a browser: nothing of a name is run, and nothing is requested."""

import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.queries.conftest import write
from tests.support.pages import MakeDataset, Reader, hostile, hostile_tasks, page_of
from tests.support.programs import find_program


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """Serve on loopback; gives the address, and the paths that were requested."""
    requested: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", requested
        server.shutdown()
        thread.join()


def browse(file: Path) -> str:
    """Open a page in Chromium and give what it made of it."""
    chromium = find_program("chromium", "chromium-browser", "chrome", "google-chrome")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    profile = f"--user-data-dir={file.parent / 'profile'}"
    quiet = ["--disable-dev-shm-usage", "--disable-background-networking", profile]
    done = subprocess.run(
        [*command, *quiet, "--virtual-time-budget=500", "--dump-dom", file.as_uri()],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    return done.stdout


def in_bdi(names: Sequence[str]) -> str:
    return "".join(f"<bdi>{name}</bdi>" for name in names)


class TestInChromium:
    def test_names_are_text_nothing_runs_and_nothing_is_requested(self, tmp_path: Path) -> None:
        with listening() as (address, requested):
            write(tmp_path / "data", hostile_tasks(address))
            page_of(tmp_path / "data")
            shown = Reader(browse(tmp_path / "index.html"))
        assert requested == []
        assert "<script>document.title=" in shown.text
        for name in hostile(address):
            assert shown.text.count(name) >= 4  # task, project, metric, variant, reason …
        assert "9 experiments from server" in shown.words
        (title,) = re.findall(r"ClearML snapshot: \d+ tasks, [\d-]+", shown.text)
        assert title.startswith("ClearML snapshot: 9 tasks")
        assert {tag for tag, _ in shown.tags} & {"script", "img", "iframe", "link", "base"} == set()

    @pytest.mark.parametrize("policy", [True, False], ids=["with the policy", "without it"])
    def test_the_policy_holds_even_where_nothing_is_escaped(
        self, tmp_path: Path, make_dataset: MakeDataset, policy: bool
    ) -> None:
        """Without the policy the same names do send requests, and these tests can see it."""
        text = page_of(make_dataset([]))
        if not policy:
            text = text.replace('http-equiv="Content-Security-Policy"', 'name="nothing"')
        with listening() as (address, requested):
            names = [name for name in hostile(address) if "refresh" not in name]  # a click, to CSP
            file = tmp_path / "page.html"
            file.write_text(text.replace("<header>", f"<header>{in_bdi(names)}"), encoding="utf-8")
            shown = browse(file)
        assert ("<title>ran</title>" in shown) is not policy
        assert bool(requested) is not policy
