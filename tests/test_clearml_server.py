"""docs/clearml-server.md is cited by sections that exist, and names evidence that exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "clearml-server.md").read_text(encoding="utf-8")
RECORDINGS = ROOT / "tests" / "recordings"
LIST = (RECORDINGS / "README.md").read_text(encoding="utf-8")
SECTIONS = set(re.findall(r"^## \d+\. (.+?) <a id=", PAGE, re.MULTILINE))
CITATION = re.compile(r"docs/clearml-server\.md(?:, \"([^\"]+)\")?")
MODULES = (ROOT, ROOT / "exporter", ROOT / "queries")


def cited() -> list[tuple[str, str]]:
    """List file and section of each citation, wherever its lines break; no section is empty."""
    files = [
        file
        for top in ("cli", "exporter", "queries", "tests")
        for file in (ROOT / top).rglob("*.py")
        if file != Path(__file__)
    ]
    texts = {file: re.sub(r"\s+(?:# )?", " ", file.read_text(encoding="utf-8")) for file in files}
    return [
        (file.name, section) for file, text in texts.items() for section in CITATION.findall(text)
    ]


def test_every_cited_section_exists() -> None:
    citations = cited()
    assert len(citations) > 25
    assert [citation for citation in citations if citation[1] not in SECTIONS] == []


def test_the_sections_are_numbered_and_have_stable_anchors() -> None:
    numbers = re.findall(r"^## (\d+)\. .+ <a id=\"([a-z-]+)\"></a>$", PAGE, re.MULTILINE)
    assert [int(number) for number, _ in numbers] == [*range(1, PAGE.count("\n## ") + 1)]
    assert len({anchor for _, anchor in numbers}) == len(SECTIONS) == len(numbers)
    assert set(re.findall(r"see \"([^\"]+)\"", PAGE)) <= SECTIONS


def test_every_recording_is_listed() -> None:
    there = sorted(file.name for file in RECORDINGS.glob("*.json"))
    assert sorted(re.findall(r"^\| `([\w-]+\.json)` \|", LIST, re.MULTILINE)) == there
    assert set(re.findall(r"`([\w-]+\.json)`", PAGE + LIST)) <= set(there)


def test_every_test_and_module_that_is_named_exists() -> None:
    defined = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))
    }
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 60
    assert sorted(named - defined) == []
    paths = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)+(?:\.py)?)`", PAGE))
    assert len(paths) > 20
    assert [p for p in sorted(paths) if not any((top / p).exists() for top in MODULES)] == []


def test_no_recording_holds_a_credential() -> None:
    allowed = {"Basic <base64 of key:secret>", "Bearer <token>", "Bearer garbage"}
    for file in RECORDINGS.glob("*.json"):
        text = file.read_text(encoding="utf-8")
        assert set(re.findall(r'"Authorization": "([^"]*)"', text)) <= allowed, file.name
        assert set(re.findall(r'"token": "([^"]*)"', text)) <= {"<header>.<payload>.<signature>"}
