"""Imports that fail while a command works: one line that names the module, not the dataset."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.cli.process.loading import LoadError, import_errors
from clearml_snapshot.exporter.errors import DatasetError, UsageError
from clearml_snapshot.queries.pack import overview_page as page

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Put a package in the place of jinja2, which ``pack`` imports while it writes."""

    def put(text: str) -> None:
        (tmp_path / "jinja2").mkdir()
        (tmp_path / "jinja2" / "__init__.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        for name in [name for name in sys.modules if name.partition(".")[0] == "jinja2"]:
            monkeypatch.delitem(sys.modules, name)
        page._template.cache_clear()

    yield put
    sys.modules.pop("jinja2", None)
    page._template.cache_clear()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise OSError(24, 'Too many open files')", "[Errno 24] Too many open files; check that"),
        ("raise MemoryError", "out of memory; close other programs"),
        ("raise ImportError('libx.so: no such file')", "libx.so: no such file; reinstall"),
        ("raise ValueError('dtype size\\n changed')", "dtype size changed; reinstall"),
        ("import nowhere", "No module named 'nowhere'; reinstall"),
        ("(", "'(' was never closed (__init__.py, line 1); reinstall"),
    ],
)
def test_a_broken_package_is_reported_as_one(
    broken: Callable[[str], None],
    text: str,
    message: str,
    history: Path,
    tmp_path: Path,
    capsys: Captured,
) -> None:
    broken(text)
    target = tmp_path / "x.zip"
    assert main(["pack", "--data", str(history), "-o", str(target), "-q"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    names = {"(": tmp_path / "jinja2/__init__.py", "import nowhere": "nowhere"}
    assert line.startswith(f"error: cannot load {names.get(text, 'jinja2')}: {message}")
    assert not target.exists()


def test_other_errors_come_out_as_they_are() -> None:
    for error in (UsageError("typed"), DatasetError("damaged"), OSError(5, "broken"), KeyError(1)):
        with pytest.raises(type(error)) as raised, import_errors():
            raise error
        assert raised.value is error
    meant: Exception = UsageError("meant")
    meant.__cause__ = ModuleNotFoundError("No module named 'nowhere'", name="nowhere")
    with pytest.raises(UsageError, match="meant"), import_errors():
        raise meant
    meant = DatasetError("damaged")
    meant.__cause__ = ModuleNotFoundError("No module named 'nowhere'", name="nowhere")
    with pytest.raises(LoadError, match="cannot load nowhere: No module"), import_errors():
        raise meant
