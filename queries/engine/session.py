"""Finds or starts a session of Spark: a local one, that of a cluster, or one of Spark Connect."""

import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.engine.errors import (
    INSTALL,
    SparkError,
    in_one_line,
    translating_spark_errors,
)

if sys.platform == "win32":  # it has no such limit
    resource = None
else:
    import resource

LOCAL: Final = "local[*]"
_CONNECT_PORT: Final = 15002
_MASTER_PORT: Final = 7077
_PATIENCE: Final = 10.0
"""Seconds for a server to accept a connection; Spark itself would try for ten minutes."""
_LOGGERS: Final = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
_SESSION: Final = {
    "spark.sql.session.timeZone": "UTC",
    # An answer on the disks of workers has as many partitions as are useful, not 200.
    "spark.sql.optimizer.canChangeCachedPlanOutputPartitioning": "true",
}
"""Settings of a session."""
_LIGHT: Final = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""A JVM that only distributes need not optimise its code: half of the processor time of a start."""
_OLDEST_JAVA: Final = "Java 17 or newer"


@dataclass(frozen=True)
class Cluster:
    """Where Spark runs; without an address, on this machine."""

    remote: str | None = None
    """``sc://host:port`` of Spark Connect."""
    master: str | None = None
    """A master's URL, such as ``spark://host:7077``."""
    computes: bool = False
    """Whether Spark itself computes, and does not only distribute."""

    @property
    def is_local(self) -> bool:
        """Whether workers are processes of this machine, started for this."""
        return self.remote is None and (self.master or LOCAL).startswith("local")


class Interrupting:
    """Stops what a session of Spark computes, once.

    Args:
        session: of Spark, or of Spark Connect.
    """

    def __init__(self, session: Any) -> None:
        self._session, self._is_done = session, False

    def interrupt(self) -> None:
        """Stop what runs now; interrupts are repeated until something ends."""
        if not self._is_done:
            self._is_done = True
            with suppress(Exception):  # what runs then ends with the process
                self._session.interruptAll()


@contextmanager
def spark_session(cluster: Cluster) -> Iterator[Any]:
    """Find or start a session; one that was started here ends with the block.

    Raises:
        UsageError: pyspark or Java is missing, or an address is not valid.
        SparkError: Spark does not start, or does not answer.
    """
    check(cluster)
    for name in _LOGGERS:  # they write errors, which are raised as well, to stderr
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.filterwarnings("ignore", module="pyspark")  # about versions of pandas
        if cluster.remote is not None:
            session = _connected(cluster.remote)
        else:
            session = _running()
            if session is not None and cluster.master is None:
                yield session
                return
            session = stack.enter_context(_started(cluster))
        with translating_spark_errors():
            for name, value in _SESSION.items():
                session.conf.set(name, value)
        try:
            yield session
        finally:
            with suppress(Exception):  # it may be what failed
                session.interruptAll()
            with suppress(Exception):
                session.stop()


def check(cluster: Cluster) -> None:
    """Check what Spark needs, within a moment; a question is planned after that.

    Raises:
        UsageError: something is missing on this machine, or an address is not valid.
        SparkError: nothing answers at the address.
    """
    _check_pyspark(cluster)
    if cluster.remote is not None:
        named = setting("spark_remote")
        _check_answers(cluster.remote, named, "sc", _CONNECT_PORT, "Spark Connect")
        return
    java = shutil.which("java", path=_java_path())
    if java is None:
        raise UsageError(
            f"Spark needs {_OLDEST_JAVA}, which was not found; install it (Debian: apt-get install "
            f"default-jre-headless), or set JAVA_HOME, or use {setting('spark_remote')}"
        )
    if cluster.master is not None and cluster.master.startswith("spark:"):
        named = setting("spark_master")
        _check_answers(cluster.master, named, "spark", _MASTER_PORT, "a Spark master")


def _java_path() -> str | None:
    home = os.environ.get("JAVA_HOME")
    return str(Path(home, "bin")) if home else None


def _check_pyspark(cluster: Cluster) -> None:
    from importlib.util import find_spec

    needed = ["pyspark", "pandas", *(["grpc", "grpc_status"] if cluster.remote else [])]
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{setting('engine', 'spark')} needs the package {missing[0]}, which is not installed; "
            f"install it with: {INSTALL}"
        )


def _check_answers(address: str, option: str, scheme: str, usual_port: int, what: str) -> None:
    """Check that something accepts connections at an address.

    Raises:
        UsageError: it is not an address of this kind.
        SparkError: nothing answers there.
    """
    try:
        parts = urlsplit(address.partition(",")[0])
        host, port = parts.hostname, parts.port or usual_port
    except ValueError:
        host, port, parts = None, 0, urlsplit("")
    if not host or parts.scheme != scheme:
        raise UsageError(f"{option} {address!r} is not an address; write {scheme}://host:port")
    try:
        socket.create_connection((host, port), timeout=_PATIENCE).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise SparkError(
            f"{what} does not answer at {host}:{port} ({reason}); check the address of {option}"
        ) from error


def _connected(remote: str) -> Any:
    """Open a session of Spark Connect, also in a process that has Spark of its own.

    Raises:
        SparkError: what answers there is not Spark Connect.
    """
    import grpc
    from pyspark.sql.connect.client import DefaultChannelBuilder
    from pyspark.sql.connect.session import SparkSession

    with translating_spark_errors():
        channel = DefaultChannelBuilder(remote).toChannel()
        try:
            grpc.channel_ready_future(channel).result(timeout=_PATIENCE)
        except grpc.FutureTimeoutError:
            host = urlsplit(remote).netloc.partition(";")[0]
            raise SparkError(
                f"{host} does not answer as Spark Connect; check the address of "
                f"{setting('spark_remote')}"
            ) from None
        finally:
            channel.close()
        return SparkSession.builder.remote(remote).create()


def _running() -> Any:
    """Return the session that this process has already; None if it has none."""
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession()


@contextmanager
def _started(cluster: Cluster) -> Iterator[Any]:
    from pyspark.sql import SparkSession

    with tempfile.TemporaryDirectory(prefix="clearml-snapshot-spark-") as folder:
        log = Path(folder, "log")
        builder = SparkSession.builder.appName("clearml-snapshot")
        for name, value in _settings(cluster, folder).items():
            builder = builder.config(name, value)
        try:
            with _quiet(log), _environment(cluster), _own_signals(), _all_memory():
                session = builder.master(cluster.master or LOCAL).getOrCreate()
        except Exception as error:  # the JVM has said why, in the log
            raise _not_started(error, log) from error
        yield session


def _settings(cluster: Cluster, folder: str) -> dict[str, str]:
    settings = {
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": str(Path(folder, "warehouse")),
        "spark.sql.catalogImplementation": "in-memory",
    }
    if cluster.is_local:
        settings |= {
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.local.dir": str(Path(folder, "local")),
            "spark.driver.maxResultSize": "0",
        }
    if cluster.is_local and not cluster.computes:
        settings["spark.driver.extraJavaOptions"] = _LIGHT
    return settings


@contextmanager
def _quiet(log: Path) -> Iterator[None]:
    """Let the JVM write its notes into a file: it inherits stderr, and keeps it."""
    sys.stderr.flush()
    before = os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)


@contextmanager
def _environment(cluster: Cluster) -> Iterator[None]:
    """Let local workers be this Python, which has this package."""
    changed: dict[str, str | None] = {"SPARK_REMOTE": None}
    if cluster.is_local:
        changed |= {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    before = {name: os.environ.get(name) for name in changed}
    _set(changed)
    try:
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what Ctrl-C does: Spark replaces it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _all_memory() -> Iterator[None]:
    """Let the JVM have more memory than a query may use in this process: it inherits the limit."""
    if resource is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _not_started(error: Exception, log: Path) -> SparkError:
    """Say why Spark did not start; the JVM writes that into its log."""
    text = log.read_text(errors="replace") if log.exists() else ""
    if "UnsupportedClassVersionError" in text:
        return SparkError(f"Spark needs {_OLDEST_JAVA}; the one that was found is older")
    said = [line for line in text.splitlines() if "Exception" in line or "rror:" in line]
    return SparkError(f"Spark cannot start: {in_one_line(said[0] if said else str(error))}")
