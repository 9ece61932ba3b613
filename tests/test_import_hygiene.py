"""What starts often starts fast: heavy packages stay out of ``--help`` and ``query``."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_snapshot.exporter.standin.data.history import grid_history
from clearml_snapshot.exporter.standin.http.server import StandIn
from tests.queries.conftest import write

SCRIPT = """
import json, sys
from clearml_snapshot.cli.main import main
sys.argv[0] = "clearml-snapshot"
try:
    code = main()
except SystemExit as end:
    code = end.code
print(json.dumps({"code": code or 0, "modules": sorted(sys.modules)}), file=sys.stderr)
"""


def modules_after(*arguments: str, cwd: Path) -> tuple[int, set[str]]:
    """Run a command in a process of its own, piped, and give its code and the modules it loads."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip(), done.stdout
    report = json.loads(done.stderr.strip().splitlines()[-1])
    return report["code"], set(report["modules"])


COMMANDS = "clearml_snapshot.cli.commands."
NETWORK = {"clearml", "requests", "detect_secrets", "jsonschema", "jwt"}


@pytest.mark.parametrize("arguments", [("--help",), ("query", "--help"), ("export", "--help")])
def test_help_loads_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    code, modules = modules_after(*arguments, cwd=tmp_path)
    assert code == 0
    assert modules & (NETWORK | {"pyarrow", "duckdb", "numpy", "rich", "msgspec"}) == set()


def test_a_query_loads_no_network_and_no_arrow(tmp_path: Path) -> None:
    """There is a dataset, so that the query runs to its end."""
    write(tmp_path / "data", [{"task_id": "a" * 32, "points": [("loss", "train", 1, 0.5)]}])
    code, modules = modules_after("query", "max", "--data", "data", cwd=tmp_path)
    assert code == 0
    assert "duckdb" in modules
    assert modules & (NETWORK | {"pyarrow", "numpy", "rich"}) == set()


@pytest.mark.parametrize(
    ("command", "file"),
    [("query", "query"), ("safe-to-delete", "safe_to_delete"), ("unpack", "pack")],
)
def test_a_command_does_not_load_the_others(command: str, file: str, tmp_path: Path) -> None:
    code, modules = modules_after(command, "--help", cwd=tmp_path)
    assert code == 0
    assert {name for name in modules if name.startswith(COMMANDS)} == {COMMANDS + file}


def test_a_mistyped_command_is_compared_with_all(tmp_path: Path) -> None:
    code, modules = modules_after("selection", cwd=tmp_path)
    assert code == 2
    assert len([name for name in modules if name.startswith(COMMANDS)]) > 10


def test_an_export_loads_only_the_configuration_of_the_sdk(
    start_standin: Callable[..., StandIn], tmp_path: Path
) -> None:
    """Its start is a third of a short export; both packages are installed here."""
    server = start_standin(grid_history(1, 1, 1))
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "clearml_snapshot.cli", "export", "--all"],
        cwd=tmp_path,
        env={**os.environ, **server.environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"clearml.backend_config.config", "pyarrow.lib"} <= modules
    assert modules & {"clearml.task", "clearml.config", "pandas._libs"} == set()


CONFIGURATION = """
import sys
from clearml_snapshot.exporter.client.configuration import read_configuration
for module in sys.argv[1:]:
    __import__(module)
configuration = read_configuration()
print(vars(configuration))
import clearml.backend_api
assert clearml.Task and clearml.backend_api.Session, "clearml is usable afterwards"
"""


FILE = """
api { web_server: "https://app.x.org", api_server: "https://api.x.org", verify_certificate: False
credentials { access_key: "AAAABBBBCCCC", secret_key: "S" } }
"""


@pytest.mark.parametrize(
    ("text", "host"), [(FILE, "https://api.x.org"), ("", "https://api.clear.ml")]
)
def test_the_configuration_is_the_same_without_the_rest_of_the_sdk(
    tmp_path: Path, text: str, host: str
) -> None:
    file = tmp_path / "clearml.conf"
    file.write_text(text)
    others = {name: value for name, value in os.environ.items() if "CLEARML" not in name}
    keys = {} if text else {"CLEARML_API_ACCESS_KEY": "A", "CLEARML_API_SECRET_KEY": "S"}
    alone, together = (
        subprocess.run(
            [sys.executable, "-c", CONFIGURATION, *modules],
            env={**others, **keys, "CLEARML_CONFIG_FILE": str(file)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for modules in ([], ["clearml"])
    )
    assert host in alone
    assert alone == together
