"""What is generated in the documentation is what the code says today."""

import importlib.util
from pathlib import Path

import pytest

GENERATOR = Path(__file__).parents[1] / "docs" / "generate.py"


@pytest.fixture(scope="module")
def pages() -> dict[Path, str]:
    spec = importlib.util.spec_from_file_location("generate", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    made: dict[Path, str] = generate.pages()
    return made


def test_every_generated_page_is_current(pages: dict[Path, str]) -> None:
    for path, text in pages.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} differs: run `make docs`"


def test_the_session_shows_the_true_maximum(pages: dict[Path, str]) -> None:
    readme = next(text for path, text in pages.items() if path.parent == GENERATOR.parents[1])
    assert "$ clearml-snapshot query max --metric accuracy" in readme
    assert "0.944372" in readme
