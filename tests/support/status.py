"""What the tests of `status`, `verify` and `selections` share."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from clearml_snapshot.exporter.store.opening import open_snapshot

Capture = pytest.CaptureFixture[str]

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ODD = "bad \x1b[2J\n😀 \u202e name that goes on and on and on"


def kilobytes(in_trouble: Path) -> str:
    return f"{open_snapshot(in_trouble).totals.bytes / 1000:.1f} kB"
