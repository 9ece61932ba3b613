"""Write again what is generated from the code: ``make docs``; a test fails when something differs.

docs/cli.md from the options, docs/catalogue.md from the queries, docs/python-api.md from the
exported names, docs/plots.md with its pictures, docs/performance.md and docs/scale.md from what was
measured, the tables of data/README.md from the schemas, and in README.md the exit codes and a
session. Commands are really run, on the demo history, and what they print is shown.
"""

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from clearml_snapshot.cli.reference import reference
from clearml_snapshot.exporter.errors import EXIT_CODE_MEANINGS
from clearml_snapshot.exporter.store.format.readme import tables
from clearml_snapshot.queries.ask.header import Query, queries
from docs.demo_session import DemoSession, demo_session
from docs.performance import beside_sql, growth
from docs.plot_pages import plots
from docs.python_api import python_api
from docs.scale.page import blocks as scale

ROOT = Path(__file__).parent.parent
COMMANDS = (
    "clearml-snapshot export --all",
    "clearml-snapshot query max --metric accuracy",
    "clearml-snapshot query min --metric loss/validation --top 4",
    'clearml-snapshot sql "SELECT project, max(value) AS best FROM scalars '
    "WHERE metric = 'accuracy' GROUP BY ALL ORDER BY best DESC\"",
    "clearml-snapshot plot accuracy --top 2 --size 94x12",
    "clearml-snapshot status",
    "clearml-snapshot pack -o q3-sweep.zip --project vision --redact users,hosts",
    "clearml-snapshot verify q3-sweep.zip",
)

_SIZE = re.compile(r"\d[\d,]*(?:\.\d+)? [kMG]?B\b(?!/s)")
_RATE = r"\([\d.,]+ \w+/s\)"
_MEASURED = re.compile(rf"{_SIZE.pattern}|{_RATE}|\d+\.\d s\b|\b[0-9a-f]{{64}}\b")
"""What the machine or a version of a library decides: sizes, rates, seconds, content ids."""

SHOWN: int = 12
"""Lines of a query's answer that the catalogue shows."""

CATALOGUE = """\
# The catalogue

<!-- Written by `make docs` out of the queries; edit those. -->

Each question of `clearml-snapshot query`, with an example and what it answers on the dataset of
`clearml-snapshot demo`. `query NAME --help` has every option, `--show` the SQL. The filters of
`export` narrow each of them. [queries.md](queries.md) describes how to add your own.
"""


def pages() -> dict[Path, str]:
    """Return every generated page as it should be."""
    readme, format_ = ROOT / "README.md", ROOT / "data" / "README.md"
    with demo_session() as demo:
        blocks = {"session": session(demo), "exit-codes": exit_codes()}
        answers = [catalogued(query, demo) for query in queries().values()]
        drawn = plots(demo, ROOT / "docs")
    performance, plan = (ROOT / "docs" / name for name in ("performance.md", "scale.md"))
    measured = {"beside-sql": beside_sql(), "growth": growth()}
    made = {
        ROOT / "docs" / "cli.md": reference(),
        ROOT / "docs" / "catalogue.md": "\n".join([CATALOGUE, *answers]),
        ROOT / "docs" / "python-api.md": python_api(),
        **drawn,
        readme: _with_blocks(readme.read_text(encoding="utf-8"), blocks),
        format_: _with_blocks(format_.read_text(encoding="utf-8"), {"tables": tables()}),
    }
    steadied = {path: steady(text, _before(path)) for path, text in made.items()}
    # Nothing measured stays as it was: its figures are in docs/performance.csv and docs/scale/.
    return {
        **steadied,
        performance: _with_blocks(_before(performance), measured),
        plan: _with_blocks(_before(plan), scale()),
    }


def session(demo: DemoSession) -> str:
    """Run the commands against the stand-in, and write down what a person sees."""
    return _indented([line for command in COMMANDS for line in demo.run(command, minutes_later=1)])


def catalogued(query: Query, demo: DemoSession) -> str:
    """Write a query's section: what it answers, and the answer to its example."""
    lines = demo.run(f"clearml-snapshot query {query.name} {query.example or ''}".strip())
    if len(lines) > SHOWN + 1:
        lines = [*lines[:SHOWN], "…"]
    return f"## {query.name}\n\n{query.title}\n\n{query.text}\n\n{_indented(lines)}"


def steady(now: str, before: str) -> str:
    """Keep each line that is the same as before except for figures that depend on the machine.

    Seconds, rates and content ids may be any, sizes differ by at most 5 %; every other word and
    figure is as it is now.
    """
    lines_before: dict[str, list[str]] = defaultdict(list)
    for line in before.splitlines(keepends=True):
        lines_before[_MEASURED.sub("", line)].append(line)
    lines = now.splitlines(keepends=True)
    return "".join(_steady_line(line, lines_before[_MEASURED.sub("", line)]) for line in lines)


def _steady_line(now: str, lines_before: list[str]) -> str:
    if not lines_before:
        return now
    before = lines_before.pop(0)
    figures = zip(_SIZE.findall(now), _SIZE.findall(before), strict=True)
    return before if all(_is_close(*sizes) for sizes in figures) else now


def _is_close(now: str, before: str) -> bool:
    (figure, unit), (earlier, its_unit) = now.split(), before.split()
    figures = (float(text.replace(",", "")) for text in (figure, earlier))
    return unit == its_unit and math.isclose(*figures, rel_tol=0.05)


def _before(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _indented(lines: list[str]) -> str:
    return "\n".join(f"    {line}".rstrip() for line in lines).rstrip() + "\n"


def exit_codes() -> str:
    """Write the table of exit codes."""
    rows = [f"| {int(code)} | {meaning} |" for code, meaning in EXIT_CODE_MEANINGS.items()]
    return "\n".join(["| code | meaning |", "|--:|:--|", *rows, ""])


def _with_blocks(text: str, blocks: Mapping[str, str]) -> str:
    for name, block in blocks.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        head, rest = text.split(begin)
        text = f"{head}{begin}\n{block}\n{end}{rest.split(end)[1]}"
    return text


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
