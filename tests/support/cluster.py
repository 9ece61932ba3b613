"""A standalone cluster of Spark on this machine: a master and a worker, each a JVM of its own."""

import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pyspark

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.queries import Dataset, open_dataset
from clearml_snapshot.queries.ask.header import find
from clearml_snapshot.queries.engine.answer import Spark
from clearml_snapshot.queries.engine.job import Place
from clearml_snapshot.queries.engine.session import Cluster, spark_session
from clearml_snapshot.queries.shards.asking import asked
from tests.support.parts import as_csv
from tests.support.programs import find_program
from tests.support.spark import free_port

_PACKAGE = "org.apache.spark.deploy"


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Start a master and a worker; yields the master's URL.

    Args:
        folder: an empty one, for the files of the worker.
    """
    find_program("java")
    here = ["--host", "127.0.0.1", "--webui-port", "0"]
    with free_port() as port:
        url = f"spark://127.0.0.1:{port}"
    worker = ["--cores", "2", "--memory", "2g", "--work-dir", str(folder), url]
    with (
        _started("master.Master", "I have been elected leader", *here, "--port", str(port)),
        _started("worker.Worker", "Successfully registered with master", *here, *worker),
    ):
        yield url


@contextmanager
def _started(name: str, sign: str, *arguments: str) -> Iterator[None]:
    """Start a class of Spark, and wait until it writes what shows that it is ready."""
    home = Path(pyspark.__file__).parent
    process = subprocess.Popen(
        [home / "bin" / "spark-class", f"{_PACKAGE}.{name}", *arguments],
        env={**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if sign in line:
                break
        else:
            raise AssertionError(f"{name} ended: {''.join(said)}")
        rest = threading.Thread(target=process.stderr.read, daemon=True)
        rest.start()
        yield
    finally:
        process.terminate()
        process.wait()


def compared(dataset: Dataset, spark: Spark, name: str) -> bool:
    """Compare an answer of Spark with the one from here."""
    query = find(name)
    values = dataset.bound(query)
    here = as_csv(dataset.result(dataset.shaped(query, values).relation))
    with asked(dataset, query, values, lambda rows: (rows,), engine=spark) as there:
        return as_csv(there.result) == here


def main() -> None:
    """Ask a cluster as its driver, with one JVM for everything; prints JSON."""
    url, data, python = sys.argv[1:]
    warnings.simplefilter("ignore")
    told: dict[str, object] = {}
    with open_dataset(data) as dataset, spark_session(Cluster(master=url)) as session:
        spark = Spark(session, most=-(-dataset.snapshot.totals.points // 4))
        for name in ("stats", "curve", "health"):
            told[name] = (compared(dataset, spark, name), spark.n_parts)
        with patch.object(Place, "of", lambda _: Place("/nowhere/data", None, "")):
            told["unseen"] = _problem(dataset, spark)
        session.sparkContext.pythonExec = python
        told["without"] = _problem(dataset, spark)
    print(json.dumps(told))


def _problem(dataset: Dataset, spark: Spark) -> str | None:
    try:
        compared(dataset, spark, "stats")
    except SnapshotError as error:
        return str(error)
    return None


if __name__ == "__main__":
    main()
