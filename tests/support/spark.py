"""One Spark for the tests, which answers locally and as Spark Connect."""

import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.queries.engine import session as spark
from tests.support.buckets import set_environment
from tests.support.programs import find_program


@dataclass(frozen=True)
class Sparks:
    """Sessions of one JVM."""

    local: Any
    address: str
    """Of Spark Connect."""
    remote: Any


@contextmanager
def both_sparks(s3_port: int) -> Iterator[Sparks]:
    """Start Spark on this machine: ``apt-get install default-jre-headless``.

    Args:
        s3_port: of the S3 server that workers find in their environment.
    """
    find_program("java")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), free_port() as port:
        warnings.simplefilter("ignore")
        set_environment(patch, f"http://127.0.0.1:{s3_port}")
        usual = spark._settings
        patch.setattr(spark, "_settings", lambda *given: usual(*given) | connect_settings(port))
        address = f"sc://127.0.0.1:{port}"
        with (
            spark.spark_session(spark.Cluster(master="local[2]")) as local,
            spark.spark_session(spark.Cluster(remote=address)) as remote,
        ):
            yield Sparks(local, address, remote)


def connect_settings(port: int) -> dict[str, str]:
    return {
        "spark.driver.extraJavaOptions": spark._LIGHT,
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
    }


@contextmanager
def free_port() -> Iterator[int]:
    """Find a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    yield port


def python_without_the_package(folder: Path) -> Path:
    """Write a Python for workers, which finds a package of our name that is empty."""
    (folder / "clearml_snapshot").mkdir()
    (folder / "clearml_snapshot" / "__init__.py").touch()
    python = folder / "python"
    python.write_text(
        f'#!/bin/sh\nPYTHONPATH="{folder}:$PYTHONPATH" exec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    return python
