"""The formats that DuckDB writes line by line, against writers in plain Python, cell by cell."""

import csv
import io
import json
import math
import time
from collections.abc import Iterator, Sequence

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearml_snapshot.cli.output import lines
from clearml_snapshot.cli.output.formats import WRITERS
from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.exporter import own_keys
from clearml_snapshot.exporter.unseen import as_escape, as_json, spelled_out
from clearml_snapshot.queries import result as results
from clearml_snapshot.queries.result import Result

Row = tuple[str | None, float | None, int | None]

FORMS = ("csv", "tsv", "json", "jsonl", "markdown")

NASTY = (
    "a ,;\t\"'\\|<>\n\r\v\f\b\x00\x1b\x1c\x7f\x85\xa0\xad\u2003\u2028\u202e\u200b\ufeffé中😀=NaIy"
)
TEXTS = st.none() | st.text(st.sampled_from(NASTY), max_size=6)
ROWS = st.lists(st.tuples(TEXTS, st.none() | st.floats(), st.none() | st.integers(-9, 9)))


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB for all tests: to start one takes longer than an answer."""
    with duckdb.connect() as opened:
        yield opened


def answer(connection: duckdb.DuckDBPyConnection, rows: Sequence[Row]) -> Result:
    """Make an answer of a text, a double and an integer per row."""
    texts, doubles, integers = ([row[column] for row in rows] for column in range(3))
    relation = connection.sql(
        'SELECT unnest($1::VARCHAR[]) AS "a ""name""", unnest($2::DOUBLE[]) AS x, '
        "unnest($3::INTEGER[]) AS i",
        params=[texts, doubles, integers],
    )
    return Result(connection, [relation])


def written(rows: SafeRows, form: str) -> str:
    """Return what a writer writes."""
    sink = io.BytesIO()
    WRITERS[form](rows, sink)
    return sink.getvalue().decode()


def shown(cell: str | float | None) -> str:
    """Write a cell as text, in plain Python."""
    if isinstance(cell, float) and not math.isfinite(cell):
        return "NaN" if math.isnan(cell) else "Infinity" if cell > 0 else "-Infinity"
    return "" if cell is None else cell if isinstance(cell, str) else repr(cell)


def separated(cells: Sequence[str | float | None], separator: str) -> str:
    """Write a line of CSV or TSV, in plain Python."""

    def field(cell: str | float | None) -> str:
        text = shown(cell)
        odd = text != text.strip() or any(char in text for char in separator + '"\n\r')
        quoted = '"' + text.replace('"', '""') + '"'
        return quoted if odd or (text == "" and cell is not None) else text

    return separator.join(map(field, cells)) + "\n"


def json_line(names: Sequence[str], row: Row) -> str:
    """Write an object, in plain Python."""
    cells = [shown(c) if isinstance(c, float) and not math.isfinite(c) else c for c in row]
    line = json.dumps(dict(zip(names, cells, strict=True)), ensure_ascii=False)
    return spelled_out(line, as_json)


def rounded(cell: str | float | None) -> str:
    """Write a cell with few digits if it is a double, in plain Python."""
    if not isinstance(cell, float) or not math.isfinite(cell):
        return shown(cell)
    return f"{cell:.0f}" if 1000 <= abs(cell) < 1e15 else f"{cell:.4g}"


def markdown_line(cells: Sequence[str | float | None]) -> str:
    """Write a line of a Markdown table, in plain Python."""

    def field(cell: str | float | None) -> str:
        text = rounded(cell).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
        return "<br>".join(spelled_out(line, as_escape) for line in text.splitlines())

    return f"| {' | '.join(map(field, cells))} |\n"


def expected(form: str, names: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    """Write an answer in plain Python."""
    lines = [json_line(names, row) for row in rows]
    if form == "json":
        yield "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"
    elif form == "jsonl":
        yield from (f"{line}\n" for line in lines)
    elif form == "markdown":
        yield markdown_line(names) + "| :-- | --: | --: |\n"
        yield from map(markdown_line, rows)
    else:
        separator = {"csv": ",", "tsv": "\t"}[form]
        yield separated(names, separator)
        yield from (separated(row, separator) for row in rows)


@pytest.mark.parametrize("form", FORMS)
@given(rows=ROWS)
@settings(max_examples=60, deadline=None)
def test_the_lines_are_those_of_plain_python(
    connection: duckdb.DuckDBPyConnection, form: str, rows: list[Row]
) -> None:
    safe = SafeRows(answer(connection, rows))
    names = [column.name for column in safe.columns]
    assert written(safe, form) == "".join(expected(form, names, rows))


@pytest.mark.parametrize("form", FORMS)
@given(rows=ROWS)
@settings(max_examples=20, deadline=None)
def test_many_columns_of_one_type_are_written_as_few_are(
    connection: duckdb.DuckDBPyConnection, form: str, rows: list[Row]
) -> None:
    typed = ("t", "x", "i", "i > 0", "make_timestamptz(i)", "[t]", "[x]", "i::DECIMAL(9, 2)")
    columns = [f"{column} AS c{at}_{again}" for at, column in enumerate(typed) for again in (1, 2)]
    with pytest.MonkeyPatch.context() as patch:
        three = connection.sql(
            "SELECT unnest($1::VARCHAR[]) AS t, unnest($2::DOUBLE[]) AS x, "
            "unnest($3::INTEGER[]) AS i",
            params=[[row[place] for row in rows] for place in range(3)],
        )
        safe = SafeRows(Result(connection, [three.project(", ".join(columns))]))
        one_by_one = written(safe, form)
        patch.setattr(lines, "_FEW", 1)
        assert written(safe, form) == one_by_one


@pytest.mark.parametrize("form", FORMS)
def test_the_time_of_a_line_grows_with_its_columns_not_with_their_square(
    connection: duckdb.DuckDBPyConnection, form: str
) -> None:
    """CSV took 7 s for as many columns of text, and JSON 50 s for half as many."""
    texts = [f"'a{at}' AS t{at}" for at in range(1600)]
    doubles = [f"{at}::DOUBLE AS x{at}" for at in range(1600)]
    started = time.process_time()
    relation = connection.sql(f"SELECT {', '.join(texts + doubles)}")
    assert written(SafeRows(Result(connection, [relation])), form).count("a1599") == 1
    assert time.process_time() - started < 3


@given(texts=st.lists(TEXTS.filter(lambda text: text is None or "\0" not in text), min_size=1))
@settings(max_examples=60, deadline=None)
def test_a_single_column_keeps_null_and_empty_text_apart_from_no_line(
    connection: duckdb.DuckDBPyConnection,
    texts: list[str | None],
) -> None:
    relation = connection.sql("SELECT unnest($1::VARCHAR[]) AS t", params=[texts])
    text = written(SafeRows(Result(connection, [relation])), "csv")
    back = [cells[0] for cells in csv.reader(io.StringIO(text, newline=""))]
    assert back == ["t", *(text or "" for text in texts)]


def test_nested_values_are_json_and_their_texts_stay_as_they_are(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    nested = {"a": ['NaN, "Infinity" \\', "-Infinity"], "b": [math.nan, -math.inf, 1e-7]}
    relation = connection.sql("SELECT $1::STRUCT(a VARCHAR[], b DOUBLE[]) AS s", params=[nested])
    (row,) = json.loads(written(SafeRows(Result(connection, [relation])), "json"))
    assert row == {"s": {"a": nested["a"], "b": ["NaN", "-Infinity", 1e-7]}}


def test_batches_shrink_where_texts_are_long_and_hold_all_rows(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """With long texts the next batch is one row; nothing is lost between batches."""
    relation = connection.sql(
        "SELECT range AS i, repeat('x', CASE WHEN range < 200 THEN 200000 ELSE 1 END) AS t "
        "FROM range(5000)"
    )
    sizes = []
    seen: list[int] = []
    for batch in Result(connection, [relation]).batches(["c0", "c1"]):
        sizes.append(len(batch))
        seen += [number for number, _ in batch]
    assert seen == list(range(5000))
    assert sizes[0] == results.FIRST_BATCH
    assert max(sizes[1:6]) < 32
    assert max(sizes) > 1000


@pytest.mark.parametrize(
    "key", ["SECRET/KEY+8fa2b1c9", 'A"B8fa2b1c9"C', "A|B8fa2b1c9<C", "A\\B8fa2b1c9\\C"]
)
@pytest.mark.parametrize("form", FORMS)
def test_credentials_of_this_process_leave_in_no_format(
    connection: duckdb.DuckDBPyConnection, form: str, key: str
) -> None:
    own_keys.remember(key)
    try:
        relation = connection.sql(
            "SELECT $1 AS t, [$1] AS l, 1 AS n", params=[f"before {key} behind"]
        )
        text = written(SafeRows(Result(connection, [relation])), form)
    finally:
        own_keys.forget()
    assert "8fa2b1c9" not in text
    assert text.count("<redacted>") + text.count("&lt;redacted>") == 2


def test_a_failing_query_writes_no_header(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    relation = connection.sql(
        "SELECT CASE WHEN range = 1 THEN error('no') ELSE 1 END AS a FROM range(2)"
    )
    sink = io.BytesIO()
    with pytest.raises(Exception, match="no"):
        WRITERS["csv"](SafeRows(Result(connection, [relation])), sink)
    assert sink.getvalue() == b""
