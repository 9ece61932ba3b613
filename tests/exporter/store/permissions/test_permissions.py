"""Who may read a dataset: modes, whatever the umask, in every snapshot and after every change."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.permissions import modes
from clearml_snapshot.exporter.store.permissions.modes import (
    SharedWith,
    prepared_for,
    readers,
    sharing,
)
from clearml_snapshot.exporter.store.writing.dataset import Dataset, writing

pytestmark = pytest.mark.skipif(not modes.HAS_MODES, reason="Windows has no modes")

Call = Callable[..., Any]
OWNER: Final = {"folder": 0o700, "file": 0o600}
GROUP: Final = {"folder": 0o2750, "file": 0o640}
OF: Final[dict[SharedWith, dict[str, int]]] = {"owner": OWNER, "group": GROUP}
KEEP: Final = Retention.parse("9")


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def found_modes(root: Path) -> dict[str, set[int]]:
    """Collect the modes of a folder, of all folders and files in it, links left out."""
    places = [root, *(path for path in root.rglob("*") if not path.is_symlink())]
    kinds: dict[str, set[int]] = {"folder": set(), "file": set()}
    for path in places:
        mode = stat.S_IMODE(path.stat().st_mode)
        kinds["folder" if path.is_dir() else "file"].add(mode)
    return kinds


def expected(share: SharedWith) -> dict[str, set[int]]:
    return {kind: {mode} for kind, mode in OF[share].items()}


def _files(root: Path) -> dict[str, int]:
    return {
        str(p.relative_to(root)): p.stat().st_ino
        for p in sorted(root.rglob("*.parquet"))
        if not p.is_symlink() and "current" not in p.relative_to(root).parts
    }


def _commit(commit: Call, line: Call, dataset: Dataset, name: str) -> None:
    commit(dataset, {(name * 32, "p"): line(name * 32, [1.0])}, name, keep=KEEP)


@pytest.mark.parametrize(("share", "mask"), [("owner", 0), ("group", 0), ("group", 0o077)])
def test_every_mode_is_the_datasets_whatever_the_umask(
    commit: Call, line: Call, tmp_path: Path, share: Literal["owner", "group"], mask: int
) -> None:
    data = tmp_path / "data"
    with _umask(mask):
        with writing(data, share=share) as dataset:
            _commit(commit, line, dataset, "a")
            staging = stat.S_IMODE((data / ".staging").stat().st_mode)
            assert staging & 0o777 == 0o700
        assert found_modes(data) == expected(share)
        with writing(data) as dataset:  # it is not repeated
            _commit(commit, line, dataset, "b")
            dataset.amend(selections=[])
            dataset._compact(dataset.snapshot)  # type: ignore[arg-type]  # there is one
    assert found_modes(data) == expected(share)
    assert readers(data) == share


def test_a_change_reaches_all_snapshots_and_keeps_their_links(
    commit: Call, line: Call, tmp_path: Path
) -> None:
    data, inner = tmp_path / "data", tmp_path / "data" / "inner"
    with _umask(0o022), writing(data) as dataset:
        _commit(commit, line, dataset, "a")
        _commit(commit, line, dataset, "b")
    with writing(inner) as dataset:
        _commit(commit, line, dataset, "c")
    before = _files(data / "snapshots")
    assert len(set(before.values())) < len(before)
    for share in ("group", "owner", "group"):
        with writing(data, share=share):
            pass
        for part in (data / "snapshots", data / "README.md", data / ".gitignore", data / ".lock"):
            assert set().union(*found_modes(part).values()) <= set(OF[share].values())
        assert stat.S_IMODE(data.stat().st_mode) == OF[share]["folder"]
        assert found_modes(inner) == expected("owner")
    assert _files(data / "snapshots") == before


def test_a_file_with_a_name_elsewhere_keeps_its_mode_there(
    commit: Call, line: Call, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with writing(data) as dataset:
        _commit(commit, line, dataset, "a")
        _commit(commit, line, dataset, "b")
    held, also = sorted((data / "snapshots").glob("00000[12]/tasks/*-000001-*.parquet"))
    elsewhere = tmp_path / "mine.parquet"
    elsewhere.hardlink_to(held)
    with writing(data, share="group"):
        pass
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o600
    assert found_modes(data) == expected("group")
    assert held.samefile(also)
    assert not held.samefile(elsewhere)
    assert held.read_bytes() == elsewhere.read_bytes()

    elsewhere.unlink()
    elsewhere.hardlink_to(held)
    with writing(data, share="owner"):
        pass
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o640
    assert held.samefile(elsewhere)
    assert readers(data) == "owner"


def test_modes_that_were_set_by_hand_are_followed(commit: Call, line: Call, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with writing(data) as dataset:
        _commit(commit, line, dataset, "a")
    for path in (data, *data.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    with _umask(0o077), writing(data) as dataset:
        _commit(commit, line, dataset, "b")
    assert found_modes(data) == {"folder": {0o755}, "file": {0o644}}
    assert readers(data) == "everyone"


def test_no_right_to_write_is_ever_added(commit: Call, line: Call, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with writing(data) as dataset:
        _commit(commit, line, dataset, "a")
    data.chmod(0o2770)
    with _umask(0o022), writing(data) as dataset:
        _commit(commit, line, dataset, "b")
    modes = found_modes(data / "snapshots" / "000002")
    assert modes == {"folder": {0o2750}, "file": {0o640}}
    with _umask(0o002), writing(data) as dataset:  # as a team does that writes in turn
        _commit(commit, line, dataset, "c")
    assert found_modes(data / "snapshots" / "000003" / "exports")["file"] == {0o660}
    with writing(data, share="group"):
        pass
    assert found_modes(data) == expected("group")


def test_what_another_user_writes_stays_readable_for_the_owner(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.touch()
    made.chmod(0o666)  # as root writes into the closed folder of a user
    assert modes.Rule(0o700, 0, is_foreign=True).mode(made.stat()) == 0o604
    assert modes.Rule(0o700, 0).mode(made.stat()) == 0o600


def test_a_folder_that_was_made_for_a_group_stays_so(tmp_path: Path) -> None:
    for mode, share in ((0o2750, "group"), (0o2770, "group"), (0o755, "owner"), (0o2755, "owner")):
        data = tmp_path / f"{mode:o}"
        data.mkdir()
        data.chmod(mode)
        assert prepared_for(data) == share
        with writing(data):
            assert readers(data) == share
    assert prepared_for(tmp_path / "none") == "owner"


def test_what_keeps_members_out_is_reported(tmp_path: Path) -> None:
    data = tmp_path / "closed" / "data"
    with writing(data, share="group"):
        data.parent.chmod(0o700)
        reasons = list(sharing(data))
    assert reasons[0].startswith("members of the group ")
    assert f"because {data.parent} has mode 0700; allow them to enter it" in reasons[1]


def test_a_group_of_others_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    monkeypatch.setattr(os, "getegid", lambda: 54321)
    monkeypatch.setattr(os, "getgroups", lambda: [54321])
    refused = pytest.raises(UsageError, match="not a member of it; change it to one of your groups")
    with refused, writing(tmp_path / "data", share="group"):
        pass
