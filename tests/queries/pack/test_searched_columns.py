"""``pack`` looks for credentials in every column of text; a new column must not be forgotten."""

import re

import pyarrow as pa
import pytest

from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.queries.ask.header import read

NOT_SEARCHED = {
    "task_id",  # keys and names of folders; pack/odd_ids.sql refuses those that look odd
    "project_id",
    "export_id",  # written by this tool
    "state",
    "fingerprint",
}


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_list(kind)


@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_text_is_searched(table: str) -> None:
    columns = {field.name for field in TABLES[table] if _is_text(field.type)} - NOT_SEARCHED
    parts = [*re.split(r"\bUNION ALL\b", read("pack/texts.sql")), read("pack/param_texts.sql")]
    searched = " ".join(part for part in parts if re.search(rf"\bFROM {table}\b", part))
    missing = {name for name in columns if not re.search(rf"\b{name}\b", searched)}
    if table == "scalars":
        missing -= {"metric", "variant"}  # the same texts as in series
    assert missing == set()
