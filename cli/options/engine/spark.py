"""The options that choose the engine of an answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from clearml_snapshot.cli.options.groups import OptionGroup, option
from clearml_snapshot.cli.options.query_limits import LimitOptions
from clearml_snapshot.cli.options.sections import ENGINE
from clearml_snapshot.cli.process.loading import let_in_pandas
from clearml_snapshot.exporter.errors import UsageError

if TYPE_CHECKING:
    from clearml_snapshot.queries import Dataset
    from clearml_snapshot.queries.engine.answer import Spark
    from clearml_snapshot.queries.engine.session import Cluster

EngineName = Literal["duckdb", "spark"]


@dataclass(frozen=True)
class EngineOptions:
    """What answers, and where."""

    name: EngineName = "duckdb"
    remote: str | None = None
    master: str | None = None

    @property
    def is_spark(self) -> bool:
        """Whether Spark answers."""
        return self.name == "spark"


def engine_options(
    engine: Annotated[
        EngineName,
        option(
            "--engine",
            section=ENGINE,
            help="duckdb answers in this process; spark lets the workers of Apache Spark answer "
            "parts of the question, each with DuckDB.",
        ),
    ] = "duckdb",
    spark_remote: Annotated[
        str | None,
        option(
            "--spark-remote",
            section=ENGINE,
            metavar="sc://HOST[:PORT]",
            help="Use this server of Spark Connect.",
            show_default="Spark on this machine",
        ),
    ] = None,
    spark_master: Annotated[
        str | None,
        option(
            "--spark-master",
            section=ENGINE,
            metavar="URL",
            help="Use this Spark master, such as spark://HOST:7077.",
            show_default="local[*]: this machine, all cores",
        ),
    ] = None,
) -> EngineOptions:
    """Collect what answers.

    Raises:
        UsageError: an address of Spark without Spark, or two of them.
    """
    for name, given in (("--spark-remote", spark_remote), ("--spark-master", spark_master)):
        if given is not None and engine != "spark":
            raise UsageError(f"{name} needs --engine spark")
    if spark_remote is not None and spark_master is not None:
        raise UsageError("give --spark-remote or --spark-master, not both")
    return EngineOptions(engine, spark_remote, spark_master)


Engine = Annotated[EngineOptions, OptionGroup(engine_options)]


def checked_cluster(options: EngineOptions, *, computes: bool = False) -> "Cluster":
    """Return where Spark runs, after checking within a moment what it needs.

    Args:
        options: what was typed.
        computes: whether Spark itself computes, and does not only distribute.

    Raises:
        UsageError: a package or Java is missing.
        SnapshotError: nothing answers at the address.
    """
    from clearml_snapshot.queries.engine.session import Cluster, check

    let_in_pandas()
    cluster = Cluster(options.remote, options.master, computes)
    check(cluster)
    return cluster


@contextmanager
def spark_for(
    options: EngineOptions, dataset: "Dataset", *, computes: bool = False
) -> Iterator[Any]:
    """Find or start a session of Spark, which what interrupts the dataset interrupts too.

    Raises:
        SnapshotError: Spark does not start.
    """
    from clearml_snapshot.queries.engine.session import Interrupting, spark_session

    cluster = checked_cluster(options, computes=computes)
    with spark_session(cluster) as session, dataset.also_interrupting(Interrupting(session)):
        yield session


@contextmanager
def engine_for(
    options: EngineOptions, limits: LimitOptions, dataset: "Dataset"
) -> "Iterator[Spark | None]":
    """Give what answers parts of queries; None if this process does.

    Raises:
        SnapshotError: Spark does not start.
    """
    if not options.is_spark:
        yield None
        return
    from clearml_snapshot.queries.engine.answer import Spark

    with spark_for(options, dataset) as session:
        yield Spark(session, limits.memory)
