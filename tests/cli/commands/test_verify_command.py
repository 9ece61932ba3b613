"""The `verify` command."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clearml_snapshot.cli.main import main
from tests.support.status import Capture, kilobytes


def test_verify_an_intact_one_that_is_not_complete(in_trouble: Path, capsys: Capture) -> None:
    assert main(["verify", str(in_trouble)]) == 3
    out, err = capsys.readouterr()
    line, missing, content_id = out.splitlines()
    assert missing == "not complete: of 2 tasks 1 partial"
    assert re.fullmatch(r"content id: [0-9a-f]{64}", content_id)
    assert line.startswith(
        f"intact: 5 files, {kilobytes(in_trouble)}, 0 points, 0 series, 2 tasks in /"
    )
    assert "hashing 5 files" in err
    assert main(["verify", "--data", str(in_trouble), "-q"]) == 3
    assert capsys.readouterr() == (out, "")


def test_verify_a_damaged_copy(in_trouble: Path, tmp_path: Path, capsys: Capture) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(in_trouble / "current", copy)
    damaged = next(copy.glob("tasks/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    (copy / "series" / "a\x1b[2J.parquet").write_bytes(b"")
    assert main(["verify", str(copy)]) == 5
    out, err = capsys.readouterr()
    strange, changed = out.splitlines()
    assert strange == r"damaged: not listed in snapshot.json: series/a\x1b[2J.parquet"
    assert changed.startswith("damaged: content changed (sha256 ")
    assert changed.endswith(f": tasks/{damaged.name}")
    assert "the rows are not checked: " in err
    (copy / "snapshot.json").write_text("{")
    assert main(["verify", str(copy), "-q"]) == 5
    assert capsys.readouterr().out.startswith(f"damaged: {copy}/snapshot.json is damaged")


def test_verify_quick_reports_what_it_did_not_check(in_trouble: Path, capsys: Capture) -> None:
    assert main(["verify", "--quick", str(in_trouble)]) == 3
    out, err = capsys.readouterr()
    line, not_checked, missing, content_id = out.splitlines()
    assert line.startswith("unchanged: 5 files, ")
    assert not_checked.startswith("not checked: the rows, ")
    assert missing == "not complete: of 2 tasks 1 partial"
    assert content_id.startswith("content id: ")
    assert "hashed " in err
    assert "checking" not in err
    damaged = next((in_trouble / "current").glob("tasks/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    assert main(["verify", "--quick", str(in_trouble)]) == 5
    changed, not_checked = capsys.readouterr().out.splitlines()
    assert changed.startswith("damaged: content changed (sha256 ")
    assert not_checked.startswith("not checked: the rows, ")
    assert main(["verify", "--quick", "--server-summary", str(in_trouble)]) == 2
    assert "--quick and --server-summary" in capsys.readouterr().err


def test_verify_of_nothing(tmp_path: Path, capsys: Capture) -> None:
    assert main(["verify", str(tmp_path)]) == 2
    assert "no snapshot at" in capsys.readouterr().err


def test_verify_the_summary(piped: Callable[..., Any]) -> None:
    done = piped("verify", "--server-summary")
    assert done.returncode == 0
    assert done.stdout.startswith("task,metric,variant,what,ours,theirs,why,legitimate,task_id")
    assert done.stderr.startswith("0 series compared with the server's summary")
