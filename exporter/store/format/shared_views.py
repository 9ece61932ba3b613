"""Reads ``views.sql``: the views that every DuckDB on a snapshot has."""

import re
from importlib.resources import files

SCHEMA = "stored"
"""The schema of the tables in a DuckDB outside of this program."""


def shared_views(schema: str) -> str:
    """Return the statements that create them, over the tables in a schema."""
    text = files(__package__).joinpath("views.sql").read_text(encoding="utf-8")
    return text.replace("picked.", f"{schema}.")


def outside_views() -> str:
    """Return them for a DuckDB outside of this program, which may have created them before."""
    text = re.sub(r"\A(?:--[^\n]*\n)+", "", shared_views(SCHEMA))  # its head describes the file
    return re.sub(r"^CREATE (VIEW|MACRO)", r"CREATE OR REPLACE \1", text, flags=re.MULTILINE)
