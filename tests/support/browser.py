"""One Chromium per test session, driven by playwright."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from tests.support.programs import find_program

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the Chromium of this machine: ``apt-get install chromium``."""
    path = find_program("chromium", "chromium-browser", "chrome", "google-chrome")
    with sync_playwright() as playwright:
        browser = _launch(playwright, path)
        yield browser
        browser.close()


def _launch(playwright: Playwright, path: str) -> Browser:
    return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)


class Visit:
    """A page that is open, and everything that it said, asked for and did wrong."""

    def __init__(self, browser: Browser, file: Path, address: str = "", **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.said: list[str] = []
        self.requested: list[str] = []
        self.page.set_default_timeout(15_000)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.url = file.as_uri()
        self.page.goto(self.url + address)
        self.page.wait_for_selector("html[data-ready]")

    @property
    def elsewhere(self) -> list[str]:
        """What was requested besides the page itself."""
        return [url for url in self.requested if not url.startswith(self.url)]

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def until(self, condition: str) -> None:
        """Wait for a condition; playwright's own way needs a policy that allows eval."""
        for _ in range(200):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(25)
        raise AssertionError(f"never: {condition}")
