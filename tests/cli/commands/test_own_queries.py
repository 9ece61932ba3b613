"""Queries of your own on the command line."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Piped = Callable[..., "subprocess.CompletedProcess[str]"]

MINE = """-- Points of a metric above a value.
--
-- :param metric  A metric.
-- :param least   The value (default: 0).
SELECT count(*) AS points FROM scalars
WHERE metric = $metric::VARCHAR AND value > coalesce($least::DOUBLE, 0) AND isfinite(value)
ORDER BY ALL
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "above.sql").write_text(MINE)
    (folder / "broken.sql").write_text("-- Title.\nSELEC 1\n")
    (folder / "thief.sql").write_text("-- Reads on.\nFROM read_text('/etc/passwd') ORDER BY ALL")
    return folder


def test_they_are_listed_and_run_like_built_in_queries(piped: Piped, mine: Path) -> None:
    listed = piped("query", "--queries", str(mine))
    assert "above        Points of a metric above a value.\n" in listed.stdout
    assert "max " in listed.stdout
    assert f"ignored: {mine}/broken.sql, line 2: " in listed.stderr
    done = piped("query", "--queries", str(mine), "above", "-m", "LOSS", "--least", "0.5", "-q")
    assert (done.returncode, done.stdout) == (0, "points\n5\n")
    help_text = piped("query", "above", "--help", CLEARML_SNAPSHOT_QUERIES=str(mine)).stdout
    assert "--least" in help_text


@pytest.mark.parametrize("known", ["highest|lowest", "min|max", "highest|lowest|max|min"])
def test_best_is_given_in_either_words(piped: Piped, mine: Path, known: str) -> None:
    (mine / "direction.sql").write_text(
        f"-- Title.\n--\n-- :param best  {known}: which values are good.\n"
        "SELECT $best::VARCHAR AS best ORDER BY ALL\n"
    )
    ours = "min" if known == "min|max" else "lowest"
    for word in ("lowest", "min"):
        done = piped("query", "--queries", str(mine), "direction", "--best", word, "-q")
        assert (done.stdout, done.returncode) == (f"best\n{ours}\n", 0), done.stderr
    help_text = piped("query", "--queries", str(mine), "direction", "--help").stdout
    assert "Required: --best." in help_text


def test_another_best_is_not_guessed(piped: Piped, mine: Path) -> None:
    (mine / "quick.sql").write_text(
        "-- Title.\n--\n-- :param metric  A metric.\n-- :param best    first|all: which rows.\n"
        "SELECT $best::VARCHAR AS best, $metric::VARCHAR AS metric ORDER BY ALL\n"
    )
    done = piped("query", "--queries", str(mine), "quick", "-m", "loss", "-q")
    assert (done.returncode, done.stdout) == (2, "")
    assert "query quick needs --best: first|all: which rows." in done.stderr
    done = piped("query", "--queries", str(mine), "quick", "-m", "loss", "--best", "all", "-q")
    assert (done.returncode, done.stdout) == (0, "best,metric\nall,loss\n"), done.stderr


def test_they_see_what_sql_sees(piped: Piped, mine: Path) -> None:
    done = piped("query", "--queries", str(mine), "thief")
    assert (done.returncode, done.stdout) == (2, "")
    assert "only the views" in done.stderr


def test_ours_never_depend_on_yours(piped: Piped, mine: Path) -> None:
    done = piped("query", "max", "-m", "accuracy", "-q", CLEARML_SNAPSHOT_QUERIES=str(mine))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_mistyped_name_has_near_matches_among_both(piped: Piped, mine: Path) -> None:
    done = piped("query", "--queries", str(mine), "abov")
    assert done.returncode == 2
    assert "did you mean 'above'" in done.stderr
    assert "is not a folder of queries" in piped("query", "--queries", "nowhere", "above").stderr


def test_one_metric_has_a_coverage_line_too(piped: Piped, mine: Path) -> None:
    done = piped("query", "--queries", str(mine), "above", "-m", "loss")
    assert (done.returncode, done.stdout) == (0, "points\n8\n")
    assert "2 of 3 tasks have it" in done.stderr


@pytest.mark.parametrize("shard", ["", "-- :shard series\n"])
def test_a_column_of_answer_that_is_not_there_is_reported(
    piped: Piped, tmp_path: Path, shard: str
) -> None:
    header = "-- Last values.\n--\n-- :param by  How (default: no).\n"
    answer = "-- :answer task, vlaue, value ± sdt, project if by project\n"
    sql = (
        "SELECT metric, variant, task, task_id, last AS value, $by::TEXT AS by "
        "FROM (SELECT *, name AS task FROM series JOIN tasks USING (task_id)) ORDER BY ALL\n"
    )
    file = tmp_path / "ends.sql"
    file.write_text(f"{header}{shard}{answer}{sql}")
    done = piped("query", "--queries", str(tmp_path), "ends", "-q")
    line = 4 if not shard else 5
    assert done.returncode == 0
    assert done.stdout.startswith("metric,variant,task,task_id,value,by\n")
    assert done.stderr.splitlines() == [
        f"{file}, line {line}, :answer: no column 'vlaue'; did you mean 'value'?",
        f"{file}, line {line}, :answer: no column 'sdt'; there are "
        "'by', 'metric', 'task', 'task_id', 'value', 'variant'",
    ]
    done = piped("query", "--queries", str(tmp_path), "ends", "--by", "project", "-q")
    assert ":answer: no column 'project'" in done.stderr.splitlines()[-1]
    file.write_text(f"{header}{shard}{answer.replace('vlaue, value ± sdt', 'value')}{sql}")
    assert piped("query", "--queries", str(tmp_path), "ends", "-q").stderr == ""


def test_a_misspelt_word_of_a_header_is_reported(piped: Piped, mine: Path) -> None:
    file = mine / "ends.sql"
    file.write_text("-- Last values.\n--\n-- :answr task\nSELECT 1 AS one ORDER BY ALL\n")
    done = piped("query", "--queries", str(mine), "ends")
    assert done.returncode == 2
    reported = f"{file}, line 3: no header line starts with :answr; did you mean :answer?"
    assert reported in done.stderr
