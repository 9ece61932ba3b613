"""A small share of ``tests/bench/lives.py``, which does the same ten thousand times."""

import os
import random
from pathlib import Path

import pytest

from tests.bench.lives import live


def test_random_lives_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("CLEARML_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    events, results = live(6, random.Random(0), tmp_path / "data")
    assert events["reset"]
    assert results["given up in doubt"]
    assert results["replaced by another run"]
    assert results["with points that the server lost"]
