"""The `selections` command."""

import json
from pathlib import Path

from clearml_snapshot.cli.main import main
from tests.support.status import Capture


def test_selections_are_listed_and_removed(in_trouble: Path, capsys: Capture) -> None:
    listing = ["selections", "--data", str(in_trouble), "--format", "json"]
    assert main(listing) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first == {
        "number": 1,
        "selection": "--project vision --tag '\x1b[2J'",
        "matched": 1,
        "metrics": "all",
    }
    assert (second["selection"], second["metrics"]) == ("--metric loss", "loss")
    assert main(["selections", "remove", "1", "--data", str(in_trouble)]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert r"removed: --project vision --tag '\x1b[2J'" in err
    assert "its tasks are kept" in err
    assert main(listing) == 0
    assert [row["selection"] for row in json.loads(capsys.readouterr().out)] == ["--metric loss"]
    assert main(["selections", "remove", "1", "--data", str(in_trouble), "-q"]) == 0
    assert main(listing) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == []
    assert "no selection is remembered" in err
    assert main(["verify", str(in_trouble)]) == 3
