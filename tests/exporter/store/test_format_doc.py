"""The format's description says what the schemas say."""

from pathlib import Path

from clearml_snapshot.exporter.store.layout import FORMAT_VERSION
from clearml_snapshot.exporter.store.open_me import renewed, tables

README = Path(__file__).parents[3] / "data" / "README.md"


def test_the_tables_are_those_of_the_schemas() -> None:
    text = README.read_text(encoding="utf-8")
    assert tables() in text
    assert renewed(text) == text, (
        "run: python -m clearml_snapshot.exporter.store.open_me data/README.md"
    )


def test_the_version_is_the_codes() -> None:
    text = README.read_text(encoding="utf-8")
    assert text.startswith(f"# The on-disk format, version {FORMAT_VERSION}\n")
    assert f"\n| {FORMAT_VERSION} | " in text
