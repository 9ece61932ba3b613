"""The generated parts of the documentation match the code."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[1]
GENERATOR = ROOT / "docs" / "generate.py"
README = ROOT / "README.md"


def test_every_generated_page_is_current() -> None:
    spec = importlib.util.spec_from_file_location("generate", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    pages: dict[Path, str] = generate.pages()
    assert README in pages
    for path, text in pages.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} differs: run `make docs`"


def test_the_session_shows_the_true_maximum() -> None:
    """In the file itself: that it is what would be made today costs ten seconds, above."""
    readme = README.read_text(encoding="utf-8")
    assert "$ clearml-snapshot query max --metric accuracy" in readme
    assert "0.944372" in readme
