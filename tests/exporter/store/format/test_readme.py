"""The texts of a snapshot: complete for a new reader, and safe against any name."""

import re
from collections.abc import Mapping
from typing import Any, Final

import pytest

from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.readme import columns, open_sql, readme
from clearml_snapshot.exporter.store.format.schema import ABOUT, KEYS, TABLES

HEADER: Final[Mapping[str, Any]] = {
    "format": "clearml-snapshot",
    "format_version": 3,
    "tool_version": "0.1.0",
    "number": 42,
    "created_at": "2026-03-01T12:34:56.789+00:00",
    "checkpoint": False,
    "server": {"host": "https://api.clearml.example", "version": "2.3.0"},
    "selections": [],
    "states": {"complete": 1230, "partial": 1, "unread": 3},
    "totals": {"tasks": 1234, "series": 5, "points": 67890123, "projects": 7, "bytes": 4_540_000},
}
PACKED: Final = {
    "selection": "--project vision --tag best",
    "metrics": "--metric loss",
    "taken_out": ["secrets: 3 values that look like credentials", "users: who made a task"],
}


def test_it_states_what_it_is_and_as_of_when() -> None:
    text = readme(HEADER)
    assert "copied them from\nthe ClearML server https://api.clearml.example." in text
    assert "**As of 2026-03-01 12:34 UTC.**" in text
    assert "| tasks (experiments) | 1,234 |" in text
    assert "| points | 67,890,123 |" in text
    assert "**Incomplete.** Of the tasks, 1 partial, 3 not read yet; see `state` below." in text
    assert "Incomplete" not in readme({**HEADER, "states": {"complete": 1234}})
    assert "| Parquet files | 4.5 MB |" in text
    assert not re.search(r"\$[a-z{]", text), "a placeholder was left"
    assert readme(HEADER) == text


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 999_949, 999_950, 1_500_000_000, 10**16])
def test_sizes_are_for_people(count: int) -> None:
    text = readme({**HEADER, "totals": {**HEADER["totals"], "bytes": count}})
    size = re.search(r"Parquet files \| ([\d.]+) (bytes|kB|MB|GB|TB) \|", text)
    assert size is not None
    unit = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}[size[2]]
    assert float(size[1]) < 1000 or size[2] == "TB"
    assert float(size[1]) * unit == pytest.approx(count, rel=0.05)


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_described_with_its_unit(table: str) -> None:
    schema = TABLES[table]
    text = columns(schema)
    assert text in readme(HEADER)
    for field in schema:
        (line,) = (row for row in text.splitlines() if row.startswith(f"| `{field.name}` |"))
        _, _, kind, unit, about, _ = (cell.strip() for cell in line.split("|"))
        assert kind.endswith(" NOT NULL") != field.nullable
        assert kind.startswith(str(field.type).partition("<")[0])
        assert about
        has_unit = str(field.type).startswith(("int", "double", "timestamp"))
        assert bool(unit) == has_unit, field.name


def test_every_table_is_described() -> None:
    assert ABOUT.keys() == KEYS.keys() == TABLES.keys()
    assert all(name in TABLES[table].names for table, names in KEYS.items() for name in names)
    for table in TABLES:
        assert f"| `{table}/` | {ABOUT[table]} |" in readme(HEADER)
        assert f"CREATE OR REPLACE VIEW {table} AS" in open_sql()
        assert f"CREATE OR REPLACE VIEW stored.{table} AS" in open_sql()


WORDS: Final = (
    "task project scalar metric variant iteration point series worker tag archived hidden export"
)


@pytest.mark.parametrize("word", WORDS.split())
def test_words_are_explained(word: str) -> None:
    assert f"\n| {word} | " in readme(HEADER)


def test_it_explains_how_to_cite_it() -> None:
    text = readme(HEADER)
    (entry,) = re.findall(r"^```bibtex\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert entry.count("{") == entry.count("}")
    assert r"\url{https://api.clearml.example}" in entry
    line = " ".join(re.findall(r"^> (.*)", text, re.MULTILINE))
    for cited in (entry, line):
        assert "as of 2026-03-01 12:34 UTC" in cited
        assert "Snapshot 42" in cited
        assert "clearml-snapshot 0.1.0" in cited
        assert "Content id" in cited


def test_a_server_that_may_not_be_named_is_not() -> None:
    text = readme({**HEADER, "server": {"version": "2.3.0"}})
    assert "copied them from\na ClearML server." in text
    assert "Snapshot 42 of a ClearML server, taken with" in text
    assert "None" not in text
    assert r"\url" not in text


@pytest.mark.parametrize("key", ["selection", "metrics", "taken_out"])
def test_names_break_neither_the_text_nor_the_entry(key: str) -> None:
    evil = "a`b\n# Not a heading\n```sql\nDROP TABLE x;\n```\n<script>}{\\"
    packed = {**PACKED, key: [evil] if key == "taken_out" else evil}
    text = readme({**HEADER, "server": {"host": evil}, "packed": packed})
    assert "\n# Not" not in text
    assert "<script>" not in text
    assert text.count("```") == readme(HEADER).count("```")
    (entry,) = re.findall(r"^```bibtex\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert entry.count("{") == entry.count("}")
    assert len(entry.splitlines()) == 6


def test_nothing_is_taken_for_html() -> None:
    text = re.sub(r"^```.*?^```|`[^`]*`", "", readme(HEADER), flags=re.DOTALL | re.MULTILINE)
    assert "<" not in text


def test_a_checkpoint_is_called_one() -> None:
    assert "had not ended" in readme({**HEADER, "checkpoint": True})
    assert "had not ended" not in readme(HEADER)


def test_a_pack_describes_what_was_selected_and_redacted() -> None:
    text = readme({**HEADER, "packed": PACKED})
    assert "- Tasks: `--project vision --tag best`\n- Metrics: `--metric loss`\n" in text
    assert "- Redacted:\n  - secrets: 3 values that look like credentials\n  - users: who" in text
    assert f"| `{layout.INDEX_HTML}` |" in text
    assert f"| `{layout.SUMMARY_CSV}` |" in text


def test_a_regular_expression_is_printed_as_it_was_typed() -> None:
    typed = r"--task-name-regex '^(run|try) \d{3}$'"
    assert f"- Tasks: `{typed}`\n" in readme({**HEADER, "packed": {**PACKED, "selection": typed}})


@pytest.mark.parametrize("key", ["selection", "metrics"])
def test_a_part_is_cited_as_a_part(key: str) -> None:
    whole = {"selection": "", "metrics": "", "taken_out": ["users: who made a task"]}
    assert "Part of snapshot" not in readme({**HEADER, "packed": whole})
    text = readme({**HEADER, "packed": {**whole, key: PACKED[key]}})
    assert "Part of snapshot 42 of the ClearML server" in " ".join(text.replace("\n>", "").split())
    assert r"howpublished = {Part of snapshot 42 of the ClearML server \url{https" in text


def test_a_complete_pack_is_called_complete() -> None:
    text = readme({**HEADER, "packed": {"selection": "", "metrics": "", "taken_out": []}})
    assert "- Tasks: all\n- Metrics: all\n- Redacted: nothing\n" in text


def test_what_is_not_a_pack_describes_no_pages() -> None:
    text = readme(HEADER)
    assert layout.INDEX_HTML not in text
    assert layout.SUMMARY_CSV not in text
    assert "aken out" not in text


def test_spark_and_r_are_shown() -> None:
    """They are not run here, without Spark and R; Python at least compiles."""
    text = readme(HEADER)
    spark = text.partition("### Spark\n")[2].partition("```python\n")[2].partition("```")[0]
    compile(spark, "README.md, Spark", "exec")
    assert "### R\n\n```r\nlibrary(arrow)\n" in text
