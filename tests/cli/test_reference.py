"""Every command and option has help, and the reference page links to each section once."""

import pytest

from clearml_snapshot.cli.reference import Entry, documented, reference
from clearml_snapshot.exporter.errors import ExitCode


@pytest.mark.parametrize("entry", documented(), ids=lambda entry: entry.path)
def test_every_command_and_option_has_help(entry: Entry) -> None:
    assert entry.help
    for _, options in entry.sections:
        for option in options:
            assert option.help, option.names
            assert option.names, option.help


def test_the_page_holds_every_exit_code_and_shared_filter() -> None:
    page = reference()
    assert all(f"| {int(code)} |" in page for code in ExitCode)
    assert page.count("| `--exclude-tag TAG` |") == 1, "shared sections are written once"
    assert "`--title" not in page


def test_every_link_of_the_page_leads_to_one_heading() -> None:
    page = reference()
    headings = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert len(set(headings)) == len(headings)
