"""What Spark needs is checked before anything that takes long."""

import importlib.util
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.settings import naming_options
from clearml_snapshot.queries.engine import session
from clearml_snapshot.queries.engine.errors import (
    SparkError,
    in_one_line,
    translating_spark_errors,
)
from clearml_snapshot.queries.engine.session import Cluster, check, spark_session


@pytest.fixture(autouse=True)
def on_the_command_line() -> Iterator[None]:
    with naming_options():
        yield


def said(cluster: Cluster) -> str:
    with pytest.raises(SnapshotError) as raised:
        check(cluster)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert said(Cluster()).startswith("Spark needs Java 17 or newer, which was not found; install")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert said(Cluster()).startswith("Spark needs Java 17 or newer, which was not found; install")


@pytest.mark.parametrize(
    ("package", "remote"), [("pyspark", None), ("pandas", None), ("grpc", "sc://127.0.0.1:1")]
)
def test_a_missing_package(
    monkeypatch: pytest.MonkeyPatch, package: str, remote: str | None
) -> None:
    usual = importlib.util.find_spec

    def find(name: str, package_: str | None = None) -> Any:
        return None if name == package else usual(name, package_)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    assert said(Cluster(remote)) == (
        f"--engine spark needs the package {package}, which is not installed; install it with: "
        "pip install 'pyspark[connect]'"
    )


@pytest.mark.parametrize(
    ("cluster", "option"),
    [
        (Cluster(remote="http://host"), "--spark-remote 'http://host'"),
        (Cluster(remote="sc://"), "--spark-remote 'sc://'"),
        (Cluster(remote="sc://host:x"), "--spark-remote 'sc://host:x'"),
    ],
)
def test_what_is_not_an_address(cluster: Cluster, option: str) -> None:
    assert said(cluster) == f"{option} is not an address; write sc://host:port"


@pytest.mark.parametrize("scheme", ["sc", "spark"])
def test_nothing_answers(scheme: str) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        at = f"{scheme}://{address}"
        cluster = Cluster(remote=at) if scheme == "sc" else Cluster(master=at)
        assert f"does not answer at {address} (Connection refused); check" in said(cluster)


def test_another_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with (
            pytest.raises(SparkError, match=f"{address} does not answer as Spark Connect"),
            spark_session(Cluster(remote=f"sc://{address}")),
        ):
            pass


TRACE = """
An exception was thrown from the Python worker:
Traceback (most recent call last):
  File "/x/worker.py", line 4207, in invoke_udf
    func()
ValueError: a bad
value
 SQLSTATE: 38000
"""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (TRACE, "ValueError: a bad"),
        (
            "[PARSE_SYNTAX_ERROR] Syntax error at or near 'x'. SQLSTATE: 42601 (line 1, pos 7)\n\n"
            "== SQL ==\nSELECT x x\n-------^^^\n",
            "Syntax error at or near 'x'",
        ),
        ("Job aborted\n\tat org.apache.X\n\tat org.apache.Y", "Job aborted"),
        ("", "no reason given"),
    ],
)
def test_an_error_of_spark_is_one_line(text: str, line: str) -> None:
    assert in_one_line(text) == line


def test_errors_of_spark_keep_their_kind() -> None:
    from pyspark.errors import ParseException, PySparkException

    with (
        pytest.raises(SparkError, match=r"^Spark failed: the cluster is gone$"),
        translating_spark_errors(),
    ):
        raise PySparkException("the cluster is gone\n\tat org.apache.X")
    with (
        pytest.raises(SparkError, match="what it needs \\(no module named pyarrow\\); install"),
        translating_spark_errors(),
    ):
        raise PySparkException(TRACE.replace("ValueError: a bad", "No module named 'pyarrow'"))
    with (
        pytest.raises(UsageError, match=r"^Spark SQL: wrong; give one SELECT$"),
        translating_spark_errors(statement=True),
    ):
        raise ParseException("wrong")
