"""Every format byte by byte, files that are never half written, and what a terminal is shown."""

import errno
import io
import json
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.cli.output.tables import kept
from clearml_snapshot.cli.output.tables import long_table as long_tables
from clearml_snapshot.cli.output.tables import table as tables
from clearml_snapshot.cli.output.tables.drawing import Screen
from clearml_snapshot.exporter.errors import ExitCode
from clearml_snapshot.queries import open_dataset

Piped = Callable[..., "subprocess.CompletedProcess[str]"]
OnTerminal = Callable[..., Any]

GOLDEN = Path(__file__).with_name("golden")
ODD = (GOLDEN / "odd.sql").read_text(encoding="utf-8")
"""NaN, infinities, NULL, an empty text, a line break, quotes, a formula, a list, a huge number."""

EXTENSIONS = {
    "csv": "csv",
    "tsv": "tsv",
    "json": "json",
    "jsonl": "jsonl",
    "markdown": "md",
    "latex": "tex",
}


def golden(form: str) -> str:
    """Read what a format should look like, read by eye before it was kept."""
    return (GOLDEN / f"odd.{form}").read_bytes().decode()


@pytest.mark.parametrize("form", [*EXTENSIONS, "table"])
def test_a_format_byte_by_byte(piped_process: Piped, form: str) -> None:
    done = piped_process("sql", ODD, "--format", form)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == golden(form)


@pytest.mark.parametrize("form", EXTENSIONS)
def test_the_extension_chooses_and_the_bytes_are_those_of_a_pipe(
    piped: Piped, tmp_path: Path, form: str
) -> None:
    file = tmp_path / f"answer.{EXTENSIONS[form]}"
    file.write_text("what stood here before")
    assert piped("sql", ODD, "-o", str(file)).stdout == ""
    assert file.read_bytes().decode() == golden(form)
    assert list(tmp_path.iterdir()) == [file], "nothing is left beside it"


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_binary_formats_keep_types_and_are_the_same_in_a_pipe(
    program: list[str], history: Path, tmp_path: Path, form: str
) -> None:
    file = tmp_path / f"answer.{form}"
    command = [*program, "sql", "SELECT task_id, name, created, tags FROM tasks ORDER BY 1"]
    subprocess.run([*command, "-o", str(file)], cwd=history.parent, check=True)
    sent = subprocess.run(
        [*command, "--format", form], cwd=history.parent, check=True, stdout=subprocess.PIPE
    )
    assert sent.stdout == file.read_bytes()
    table = pq.read_table(file) if form == "parquet" else pa.ipc.open_file(str(file)).read_all()
    assert table.column_names == ["task_id", "name", "created", "tags"]
    assert pa.types.is_timestamp(table.schema.field("created").type)
    assert table["tags"].to_pylist()[0] == ["gpu", "model_v2"]


def test_parquet_has_dictionaries_of_texts_and_not_of_numbers(
    program: list[str], history: Path, tmp_path: Path
) -> None:
    file = tmp_path / "answer.parquet"
    rows = "SELECT 'a' AS t, n / 3 AS x, n, [t] AS l FROM range(5_000) AS numbers(n)"
    subprocess.run([*program, "sql", rows, "-o", str(file)], cwd=history.parent, check=True)
    group = pq.ParquetFile(file).metadata.row_group(0)
    encodings = {
        group.column(place).path_in_schema: group.column(place).encodings for place in range(4)
    }
    chosen = {name for name, used in encodings.items() if "RLE_DICTIONARY" in used}
    assert chosen == {"t"}


def test_conditions_that_nan_satisfies_find_it_in_a_parquet_file(
    program: list[str], history: Path, tmp_path: Path
) -> None:
    file = tmp_path / "answer.parquet"
    rows = "SELECT if(n = 3, 'nan'::DOUBLE, n) AS value, n FROM range(5) AS numbers(n)"
    subprocess.run([*program, "sql", rows, "-o", str(file)], cwd=history.parent, check=True)
    for condition in ("isnan(value)", "value > 1e300", "value NOT BETWEEN 0 AND 9"):
        found = duckdb.execute(f"SELECT n FROM '{file}' WHERE {condition}").fetchall()
        assert found == [(3,)], condition
    integers = pq.read_metadata(file).row_group(0).column(1)
    assert integers.statistics is not None
    assert integers.statistics.max == 4


def test_json_is_what_every_parser_reads(piped: Piped) -> None:
    nested = "SELECT {'a': ['nan'::DOUBLE, 1.5]} AS s, map {'k': 'inf'::DOUBLE} AS m, 1 AS s"
    rows = json.loads(piped("sql", nested, "--format", "json").stdout, parse_constant=pytest.fail)
    assert rows == [{"s": {"a": ["NaN", 1.5]}, "m": {"k": "Infinity"}, "s_1": 1}]


@pytest.mark.parametrize(
    ("form", "expected"),
    [("csv", "a,b\n"), ("tsv", "a\tb\n"), ("json", "[]\n"), ("jsonl", ""), ("table", "a  b\n")],
)
def test_no_rows_still_have_a_header(piped: Piped, form: str, expected: str) -> None:
    done = piped("sql", "SELECT 1 AS a, 'x' AS b WHERE false", "--format", form)
    assert (done.returncode, done.stdout) == (0, expected)


def test_csv_is_read_back_unchanged(piped: Piped, tmp_path: Path) -> None:
    """Another reader gives the values back and distinguishes an empty text from NULL."""
    file = tmp_path / "answer.csv"
    piped("sql", ODD, "-o", str(file))
    options = "header = true, allow_quoted_nulls = false"
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT f, t, n FROM read_csv('{file}', {options}) ORDER BY i"
        ).fetchall()
    assert rows[0][:2] == (0.1 + 0.2, 'a,"b"\nc')
    assert rows[1] == (-1e-300, "", float("-inf"))
    assert rows[2][0] is None


@pytest.mark.parametrize("target", ["-o", "--format"])
def test_text_is_the_bare_number(piped: Piped, tmp_path: Path, target: str) -> None:
    file = tmp_path / "min.txt"
    arguments = ("query", "min", "-m", "loss/train", "-q", target)
    done = piped(*arguments, str(file) if target == "-o" else "text")
    assert (file.read_text() if target == "-o" else done.stdout) == "0.123456789012345\n"


def test_text_for_several_answers_names_them_and_leaves_the_file_alone(
    piped: Piped, tmp_path: Path
) -> None:
    file = tmp_path / "max.txt"
    file.write_text("old")
    done = piped("query", "max", "-m", "loss", "-o", str(file))
    assert done.returncode == ExitCode.USAGE
    assert "loss/train, loss/val; choose one with --variant" in done.stderr
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_text_of_no_answer(piped: Piped) -> None:
    assert piped("sql", "SELECT 1 WHERE false", "--format", "text").returncode == ExitCode.FAILED
    assert piped("sql", "SELECT NULL", "--format", "text").returncode == ExitCode.FAILED


def test_a_database_keeps_several_answers(piped: Piped, tmp_path: Path) -> None:
    file = tmp_path / "results.duckdb"
    for name, table in [("max", None), ("min", None), ("min", 'odd "name"'), ("min", "max")]:
        done = piped(
            "query", name, "-m", "loss", "-o", str(file), *(["--table", table] if table else [])
        )
        assert done.returncode == 0, done.stderr
    with duckdb.connect(str(file)) as database:
        assert {row[0] for row in database.sql("SHOW TABLES").fetchall()} == {
            "max",
            "min",
            'odd "name"',
        }
        lowest = "SELECT value, task_id FROM max WHERE variant = 'train'"
        assert database.sql(lowest).fetchall() == [(0.123456789012345, "a" * 32)]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (["-o", "."], "is a folder; choose the name of a file"),
        (["-o", "data.csv/x.csv"], "there is no folder"),
        (["-o", "answer.xls"], "unknown file extension"),
        (["--table", "t"], "add -o FILE.duckdb"),
        (["-o", "x.duckdb", "--format", "csv"], "--format cannot be used"),
    ],
)
def test_what_cannot_be_written(piped: Piped, target: list[str], message: str) -> None:
    form = ["--format", "csv"] if target == ["-o", "."] else []
    done = piped("sql", "SELECT 1", *target, *form)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert message in done.stderr


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.parquet", "a.arrow", "a.xlsx", "a.duckdb"])
def test_a_query_that_fails_late_is_one_error_in_every_format(
    piped: Piped, tmp_path: Path, name: str
) -> None:
    failing = (
        "SELECT CASE range WHEN 200000 THEN error('bad row') ELSE 1 END AS a FROM range(300000)"
    )
    done = piped("sql", failing, "-o", str(tmp_path / name))
    assert (done.returncode, done.stderr) == (ExitCode.USAGE, "error: SQL: bad row\n")
    assert name == "a.duckdb" or not list(tmp_path.iterdir())


def test_a_device_is_written_and_not_replaced(piped: Piped) -> None:
    assert piped("sql", "SELECT 1", "-o", "/dev/null", "--format", "csv").returncode == 0
    assert Path("/dev/null").is_char_device()


def test_a_link_stays_a_link(piped: Piped, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to("real.csv")
    piped("sql", "SELECT 1 AS a", "-o", str(tmp_path / "link.csv"))
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "a\n1\n"


def test_sql_reads_a_file_and_stdin(piped: Piped, piped_process: Piped, tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text("SELECT 1 AS a", encoding="utf-8")
    answers = [
        piped("sql", "-f", str(tmp_path / "q.sql")),
        piped_process("sql", stdin="SELECT 1 AS a"),
        piped("sql", "-", stdin="SELECT 1 AS a"),
        piped("sql", "SELECT 1 AS a", "-o", "-"),
    ]
    assert [done.stdout for done in answers] == ["a\n1\n"] * 4


def test_task_ids_come_from_a_file_or_stdin(piped: Piped, tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text(f"# winners\n{'a' * 32}\n\nbbbb  # a beginning\n", encoding="utf-8")
    for given in (["--task", f"@{ids}"], ["--task", "-"]):
        done = piped("query", "max", "--by", "task", *given, stdin=ids.read_text())
        task_ids = {line.split(",")[6] for line in done.stdout.splitlines()[1:]}
        assert task_ids == {"a" * 32, "b" * 32}


def test_the_words_of_the_sdk_are_understood(piped: Piped) -> None:
    ours = piped("query", "max", "--metric", "loss", "--variant", "val", "--format", "csv")
    theirs = piped("query", "max", "--title", "loss", "--series", "val", "--format", "csv")
    assert ours.stdout == theirs.stdout
    assert ours.stdout.count("\n") == 2


def test_quiet_prints_nothing_and_notes_explain_the_answer(piped: Piped) -> None:
    assert piped("query", "max", "-m", "loss", "-q").stderr == ""
    notes = piped("query", "max", "-m", "accuracy").stderr
    assert "1 of 3 tasks have it: 1 running" in notes
    assert "accuracy/val: task bbbbbbbb is still running" in notes


def test_what_cannot_win_is_counted_once(piped: Piped) -> None:
    notes = piped("query", "max", "-m", "loss/val", "--by", "task").stderr
    assert notes.count("loss/val: 1 of 3 values is not finite and cannot win\n") == 1


def test_show_prints_the_query_ready_to_paste(piped: Piped) -> None:
    shown = piped("query", "max", "--show").stdout
    assert duckdb.extract_statements(shown)[-1].type.name == "SELECT"


def test_one_row_prints_as_lines_on_a_terminal(on_terminal: OnTerminal) -> None:
    session = on_terminal("query", "min", "-m", "loss/train", "-q", TERM="dumb")
    lines = dict(line.split("  ", 1) for line in session.screen.splitlines())
    values = {name.strip(): value.strip() for name, value in lines.items()}
    assert values["value"] == "0.123457", "as in a table"
    assert (values["task_id"], values["task"]) == ("aaaaaaaa", "training lr=0.1")
    assert values["web_url"].startswith("https://")


def test_one_row_of_sql_has_all_digits(on_terminal: OnTerminal) -> None:
    session = on_terminal("sql", "SELECT 0.123456789012345::DOUBLE AS x", TERM="dumb")
    assert session.screen.split() == ["x", "0.123456789012345"]


def test_one_row_joins_a_mean_and_its_deviation(on_terminal: OnTerminal, piped: Piped) -> None:
    command = ("query", "group", "-m", "loss/train", "--best", "min")
    lines = on_terminal(*command, "-q", TERM="dumb").screen.splitlines()
    assert [line.split()[:4] for line in lines if line.startswith(("mean", "std"))] == [
        ["mean", "±", "std", "0.187"]
    ]
    (row,) = json.loads(piped(*command, "--format", "json").stdout)
    assert row["mean"] == (0.123456789012345 + 0.25) / 2


@pytest.mark.parametrize(
    ("typed", "heads"),
    [
        ("n,mean ± std", "n\tmean ± std"),
        ("mean,std", "mean\tstd"),
        ("mean ± std,std", "mean ± std"),
    ],
)
def test_columns_are_named_as_in_a_table(
    on_terminal: OnTerminal, piped: Piped, typed: str, heads: str
) -> None:
    command = ("query", "group", "-m", "loss", "--best", "min", "--columns", typed, "-q")
    screen = on_terminal(*command, TERM="dumb").screen
    assert re.sub("  +", "\t", screen.splitlines()[0].strip()) == heads
    names = list(dict.fromkeys(typed.replace(" ± ", ",").split(",")))
    assert piped(*command, "--format", "csv").stdout.splitlines()[0] == ",".join(names)
    marked = piped(*command, "--format", "markdown").stdout.splitlines()[0]
    assert marked == f"| {' | '.join(heads.split(chr(9)))} |"


def test_compare_keeps_its_iterations(on_terminal: OnTerminal, piped: Piped) -> None:
    command = ("query", "compare", "aaaa", "bbbb", "-m", "loss", "-m", "accuracy")
    wanted = {"iteration", "iterations"}
    for columns in (50, 80, 120):
        session = on_terminal(*command, columns=columns, TERM="dumb")
        assert not any(f": {name}" in session.stderr for name in wanted)
        assert "iteration" in session.screen
    for form in ("markdown", "latex"):
        assert "iteration" in piped(*command, "--format", form).stdout


def visible(screen: str) -> str:
    """Drop colours and hyperlinks, as a terminal does."""
    return re.sub(r"\x1b\[[\d;]*m|\x1b\]8;[^\x1b]*\x1b\\", "", screen)


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_several_rows_fit_the_terminal(on_terminal_process: OnTerminal, columns: int) -> None:
    session = on_terminal_process("query", "max", columns=columns)
    lines = visible(session.screen).splitlines()
    assert all(len(line) <= columns for line in lines)
    screen = visible(session.screen)
    parts = ("loss", "val", "1.5", "bbbbbbbb", "0.01")
    assert [part for part in parts if part not in screen] == []
    if columns == 40:
        assert "task_id    bbbbbbbb" in lines, "upright, because no column of the answer goes"
    else:
        head = next(line.split() for line in lines if line.startswith("metric "))
        assert head[:4] == ["metric", "variant", "value", "iteration"]
    if columns == 80:
        assert "columns not shown: timestamp, status" in session.stderr
        assert "(use --columns, --wide or -o FILE.csv to get them)" in session.stderr
    if columns == 200:
        assert "columns not shown" not in session.stderr


def test_links_and_colours_only_where_they_are_wanted(on_terminal: OnTerminal) -> None:
    link = f"\x1b]8;;https://app.example.org/projects/{'1' * 32}/experiments/{'a' * 32}\x1b\\"
    arguments = ("query", "max", "-m", "loss/val")
    plain = on_terminal(*arguments, TERM="dumb").screen
    assert "\x1b" not in plain
    full = on_terminal(*arguments).screen
    assert link in full
    assert "\x1b[1m1.5\x1b[0m" in full
    uncoloured = on_terminal(*arguments, NO_COLOR="1").screen
    assert link in uncoloured
    assert re.search(r"\x1b\[[\d;]*m", uncoloured) is None
    assert re.search(r"\x1b\[", on_terminal("query", "max", NO_COLOR="1").screen) is None


@pytest.mark.parametrize("arguments", [("query", "max"), ("sql", "SELECT * FROM tasks")])
def test_names_cannot_steer_the_terminal(on_terminal: OnTerminal, arguments: list[str]) -> None:
    session = on_terminal(*arguments, columns=120)
    assert "\x1b[2J" not in session.screen + session.stderr
    assert "\u202e" not in session.screen
    assert r"\x1b[2J\n" in session.screen


def test_sql_shows_40_rows_and_the_true_count(on_terminal: OnTerminal, piped: Piped) -> None:
    session = on_terminal("sql", "SELECT range AS i FROM range(12345)")
    assert len(session.screen.splitlines()) == 1 + 40
    assert "the first 40 of 12,345 rows" in session.stderr
    assert len(piped("sql", "SELECT range AS i FROM range(12345)").stdout.splitlines()) == 12346


@pytest.mark.parametrize("form", ["parquet", "xlsx"])
def test_binary_is_not_thrown_at_a_terminal(on_terminal: OnTerminal, form: str) -> None:
    session = on_terminal("sql", "SELECT 1", "--format", form)
    assert (session.code, session.screen) == (ExitCode.USAGE, "")


def test_a_table_in_a_pipe_is_drawn_row_by_row(
    history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes as when all of it is drawn at once; the rows wait on disk for the widths."""
    monkeypatch.setattr(kept, "_IN_MEMORY", 100)
    written = io.BytesIO()
    with open_dataset(history) as dataset:
        shown = "SELECT name, task_id, project, created, archived, tags, user FROM tasks"
        for statement in (ODD, shown, "SELECT 1 AS none LIMIT 0"):
            rows = SafeRows(dataset.result(dataset.sql(statement)))
            long_tables.write_table(rows, written)
            screen = Screen(100_000, colours=False, links=False)
            assert written.getvalue().decode() == tables.draw_table(rows, list(rows), screen).text
            written = io.BytesIO()


def test_a_table_for_which_the_disk_is_too_small(
    piped: Piped, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda *_, **__: Full())
    ended = piped("sql", "SELECT 1", "--format", "table")
    assert (ended.returncode, ended.stdout) == (ExitCode.FAILED, "")
    assert ended.stderr.startswith("error: cannot keep a table of this size in ")
