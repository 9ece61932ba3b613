"""A new column is a new format version: a forgotten one would make old snapshots look damaged."""

import pytest

from clearml_snapshot.exporter.store.format.layout import ADDED, FORMAT_VERSION
from clearml_snapshot.exporter.store.format.schema import TABLES

FIRST_VERSION = {
    "tasks": """task_id name project_id project type status status_reason status_message user_id
        user tags system_tags archived hidden created started completed last_update last_change
        status_changed last_iteration active_duration parent comment repository branch commit
        entry_point web_url server_id metric_filter points_expected points_stored points_bad state
        reason redacted fetched_at fingerprint""",
    "hyperparams": "task_id section name value type",
    "series": """task_id metric variant project_id n n_nonfinite n_null min min_iteration
        min_timestamp max max_iteration max_timestamp mean std first first_iteration
        first_timestamp last last_iteration last_timestamp server_last server_min server_max
        server_count""",
    "scalars": "task_id metric variant iteration timestamp value worker",
    "exports": """export_id started finished server user selections tasks_new tasks_changed
        tasks_unchanged tasks_partial tasks_failed points requests bytes result tool_version""",
}
"""The columns of format version 1; snapshots of it exist, so this never changes."""


@pytest.mark.parametrize("table", TABLES)
def test_every_later_column_is_in_the_list_of_added_ones(table: str) -> None:
    later = {name for tables in ADDED.values() for name in tables.get(table, {})}
    assert set(TABLES[table].names) == {*FIRST_VERSION[table].split(), *later}


def test_no_version_is_newer_than_the_current_one() -> None:
    assert max(ADDED) <= FORMAT_VERSION
