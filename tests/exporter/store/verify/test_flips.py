"""One bit of a pack is changed: verify finds it, names the place, and never crashes.

``tests/bench/flips.py`` does the same a thousand times, anywhere.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.store.pack.zip_writer import members, write_archive
from clearml_snapshot.exporter.store.untrusted.zip_reader import Layout, read_layout
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing

Call = Callable[..., Any]

BITS_OF_THE_DIRECTORY = 40
BITS_OF_THE_END = 15


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory, commit: Call, line: Call) -> Path:
    home = tmp_path_factory.mktemp("flips")
    with writing(home / "data") as dataset:
        root = commit(dataset, {("t1", "p"): line("t1", [1.0])}).root
    with (home / "x.zip").open("wb") as stream:
        write_archive(stream, members(root))
    return home / "x.zip"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _places(layout: Layout, size: int) -> Iterator[tuple[range, int, str]]:
    """Divide an archive: bytes, how many bits of them to flip, and what must be named."""
    for entry in layout.entries:
        yield range(entry.header, entry.content), 4, entry.name
        yield range(entry.content, entry.content + entry.packed), 2, entry.name
    yield range(layout.directory, layout.end), BITS_OF_THE_DIRECTORY, ""
    yield range(layout.end, size), BITS_OF_THE_END, ""


def test_every_flipped_bit_is_found(pack: Path, tmp_path: Path) -> None:
    whole = pack.read_bytes()
    with pack.open("rb") as stream:
        places = list(_places(read_layout(stream), len(whole)))
    assert sum(len(region) for region, _, _ in places) == len(whole)
    chance = random.Random(3)
    flipped = tmp_path / "x.zip"
    for region, count, name in places:
        for _ in range(count):
            at, bit = chance.choice(region), chance.randrange(8)
            flipped.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            problems = verify(flipped).problems
            assert problems, (at, bit)
            assert len(problems) < 3, problems
            assert any(name in problem for problem in problems), problems
    assert verify(pack).problems == verify(pack).notes == ()


def test_a_flip_ends_with_5(pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = pack.read_bytes()
    at = whole.rindex(b"README.md") - 46 + 38  # the attributes in the directory: they are not read
    flipped = tmp_path / "x.zip"
    flipped.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    assert main(["verify", str(flipped)]) == 5
    captured = capsys.readouterr()
    assert captured.out == "damaged: changed since it was written: the archive's directory\n"
    assert "rows are not checked" in captured.err
