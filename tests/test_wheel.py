"""A wheel built from the tree is complete, and works without the tree."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("cli", "exporter", "queries")
ASIDE = shutil.ignore_patterns("__pycache__", ".*", "build", "dist", "*.egg-info", "tests")


def aside(folder: str, names: list[str]) -> set[str]:
    """Leave out what is not part of the package; datasets are in ``data`` at the top."""
    return ASIDE(folder, names) | ({"data"} if Path(folder) == ROOT else set())


def sources(*suffixes: str) -> set[str]:
    """Paths below the root of all files of the package with one of these endings."""
    return {
        path.relative_to(ROOT).as_posix()
        for part in PARTS
        for path in (ROOT / part).rglob("*")
        if path.as_posix().endswith(suffixes)
    }


def installed(path: str) -> str:
    """Return where a file or folder of the tree is in the wheel: ``cli/package`` is its top."""
    return f"clearml_snapshot/{path}".replace("/cli/package", "")


def run(*command: str | Path, cwd: Path) -> str:
    aside = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    environment = {name: value for name, value in os.environ.items() if name not in aside}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build in a copy: a stale ``build/`` would put deleted modules into the wheel."""
    work = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, work / "tree", ignore=aside)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", work, "tree", cwd=work)
    (built,) = work.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """Install the wheel into an empty environment that borrows the dependencies from ours.

    A path in a .pth file is searched, but the .pth files in it are not read: the editable install
    of the tree, which is one, does not come along.
    """
    home = wheel.parent / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=wheel.parent)
    python = home / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "-q", "--no-deps", "--no-index", wheel, cwd=wheel.parent)
    (own,) = home.glob("lib/python*/site-packages")
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_holds_every_module_query_and_marker(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    endings = (".py", ".sql", ".tsv", ".html", ".css", ".js", ".md", "py.typed")
    expected = {installed(path) for path in sources(*endings, "vendor/LICENSE")}
    assert expected - held == set(), "add its folder to [tool.setuptools] packages"
    ours = {name for name in held if name.startswith("clearml_snapshot/")}
    assert ours - expected == set()


def test_the_wheel_installs_no_foreign_top_level(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"clearml_snapshot"}


def test_the_wheel_carries_its_licence(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (licence,) = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_the_installed_wheel_runs_from_its_own_files(python: Path, tmp_path: Path) -> None:
    script = "import clearml_snapshot.cli.main as main; print(main.__file__)"
    folder = Path(run(python, "-c", script, cwd=tmp_path).strip())
    assert folder.is_relative_to(python.parents[1])
    for program in ((python.with_name("clearml-snapshot"),), (python, "-m", "clearml_snapshot")):
        assert "export" in run(*program, "--help", cwd=tmp_path)


def test_every_folder_with_modules_is_a_package() -> None:
    """A new sub-folder that is not listed would be missing from the wheel."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {str(Path(path).parent) for path in sources(".py")}
    packages = {installed(folder).replace("/", ".") for folder in folders}
    assert set(setuptools["packages"]) == packages
    tops = {folder.partition("/")[0] for folder in folders}
    assert set(setuptools["package-dir"].values()) == tops | {"cli/package"}


def imported(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    names = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_import_is_a_declared_dependency() -> None:
    """The borrowed dependencies would hide one that only our environment happens to have."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *chain.from_iterable(extras)]
    declared = {normal(re.split(r"[><=~!;\[ ]", line)[0]) for line in lines}
    providers = packages_distributions()
    imported_packages = {name for path in sources(".py") for name in imported(path)} - {
        "clearml_snapshot"
    }
    missing = {
        n for n in imported_packages if not declared & {normal(p) for p in providers.get(n, [])}
    }
    assert missing == set()
