"""A disk that refuses to delete old snapshots: the new one is current, and it is reported."""

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.cli.text.export import alerts
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.pointer import numbers
from clearml_snapshot.exporter.store.snapshots import read_header
from clearml_snapshot.exporter.store.verify.verify import verify

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

READER = "clearml_snapshot.exporter.store.writing.dataset.read_header"
Refuse = Callable[[bool], None]
CALLS = {"unlink": layout.SNAPSHOT_JSON, "rmdir": "scalars", "rename": "000001"}
"""The calls that delete a snapshot, and the name for which they are refused."""


@pytest.fixture
def refuse(call: str, code: int, monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Make the operating system refuse, or no longer refuse, to delete a snapshot."""
    real = getattr(os, call)

    def refused(path: Any, *more: Any, **how: Any) -> None:
        is_deletion = call == "rename" or how.get("dir_fd") is not None
        if is_deletion and Path(path).name == CALLS[call]:
            raise OSError(code, os.strerror(code), str(path))
        real(path, *more, **how)

    def switch(is_on: bool) -> None:
        monkeypatch.setattr(os, call, refused if is_on else real)

    return switch


@pytest.mark.parametrize(
    ("call", "code"),
    [("unlink", errno.EIO), ("rmdir", errno.ENOSPC), ("rename", errno.EACCES)],
)
def test_the_new_snapshot_is_current_and_the_next_export_prunes(
    code: int, refuse: Refuse, take_home: "Callable[..., Home]"
) -> None:
    database = Database(1)
    task = database.add_task("task", "p")
    database.report_series(task, "m", "v", [1], [1.0], [1_700_000_000_000])
    home = take_home(database)
    home.export(keep=Retention.parse("1"))
    refuse(True)
    for snapshot in (2, 3):
        report = home.export()
        assert (report.result, report.exit_code, report.snapshot.name) == (
            "complete",
            3,
            f"{snapshot:06d}",
        )
        (warning,) = report.warnings
        assert re.match("could not remove snapshots? 1[ ,]", warning)
        assert os.strerror(code) in warning
        assert f"warning: {warning}" in [*alerts(report)]
        assert 1 not in report.removed
        assert [row["result"] for row in home.rows("exports")] == ["complete"] * snapshot
        home.check()
    refuse(False)
    report = home.export()
    assert (report.exit_code, report.warnings) == (0, ())
    assert numbers(home.folder) == [4]
    assert not layout.staging(home.folder).exists()
    assert verify(home.folder).problems == ()


def test_a_snapshot_that_may_not_be_read_is_not_taken_for_damage(
    take_home: "Callable[..., Home]", monkeypatch: pytest.MonkeyPatch
) -> None:
    home = take_home(Database(1))
    home.export(keep=Retention.parse("1"))
    real = read_header

    def refused(folder: Path) -> dict[str, Any]:
        if folder.name == "000001":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return real(folder)

    monkeypatch.setattr(READER, refused)
    report = home.export()
    assert (report.exit_code, report.snapshot.name) == (3, "000002")
    assert "could not remove snapshot 1 of" in report.warnings[-1]
    assert numbers(home.folder) == [1, 2]
    monkeypatch.setattr(READER, real)
    home.export()
    assert numbers(home.folder) == [3]
