"""What `docs/schedule.md` offers to paste works as it is written."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_snapshot.exporter.standin.data.history import grid_history
from clearml_snapshot.exporter.standin.http.server import StandIn

PAGE = Path(__file__).parent.parent / "docs" / "schedule.md"
HOME = "/srv/clearml"


def block(name: str) -> str:
    """A part of the page that is to be pasted."""
    text = PAGE.read_text(encoding="utf-8")
    return textwrap.dedent(text.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0])


def crontab(folder: Path) -> tuple[dict[str, str], list[str]]:
    """The variables and the commands of the crontab, for a folder of this machine."""
    lines = [line for line in block("crontab").replace(HOME, str(folder)).splitlines() if line]
    jobs = [match[1] for line in lines if (match := re.match(r"(?:[\d*]+ ){5}(.*)", line))]
    variables = dict(line.split("=", 1) for line in lines if re.match("[A-Z_]+=", line))
    assert len(jobs) + len(variables) == len(lines)
    assert not any("%" in job for job in jobs), "cron ends a command there"
    return variables, jobs


def test_the_crontab(start_standin: Callable[..., StandIn], tmp_path: Path) -> None:
    server = start_standin(grid_history(3, 1, 5))
    variables, (export, check) = crontab(tmp_path)
    programs = f"{Path(sys.executable).parent}:{variables['PATH']}"

    def run(job: str) -> str:
        """Run a job as cron does: this environment only; what it prints is mailed."""
        environment = {**variables, "PATH": programs, "HOME": str(tmp_path)}
        return subprocess.run(
            [variables["SHELL"], "-c", job],
            env=environment,
            cwd="/",
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ).stdout

    names = [line.partition("=")[0] for line in block("keys.env").split()]
    values = {**server.environment()}
    keys = tmp_path / "keys.env"
    keys.write_text("".join(f"{name}='{values[name]}'\n" for name in names), "utf-8")
    keys.chmod(0o600)
    assert "needs a filter" in run(export)
    assert run(export.replace(" export ", " export --all ")) == ""
    assert run(export) == ""
    assert run(check) == ""
    server.stop()
    mail = run(export.replace(" export ", " export --give-up-after 1 "))
    assert mail.startswith("export: exit code 4\n")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z error: .*", mail.splitlines()[-1])
    assert "status: exit code 3\n" in run(check)
    reports = [json.loads(line) for line in (tmp_path / "export.jsonl").read_text().splitlines()]
    assert [report["exit_code"] for report in reports] == [2, 0, 0, 4]
    assert values["CLEARML_API_SECRET_KEY"] not in mail + (tmp_path / "export.log").read_text()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_the_units(tmp_path: Path) -> None:
    names = re.findall(r"<!-- (clearml-snapshot\S*) -->", PAGE.read_text(encoding="utf-8"))
    assert len(names) == 4
    program = Path(sys.executable).with_name("clearml-snapshot")
    for name in names:
        text = block(name).replace("/usr/local/bin/clearml-snapshot", str(program))
        (tmp_path / name).write_text(text, "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in names)],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "clearml" in line]
    assert (done.returncode, said) == (0, [])
