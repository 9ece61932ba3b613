"""What Spark on this machine adds to a query: its start, and each part beyond DuckDB's own work.

    python -m tests.bench.engine DATASET [--parts 8]

The same parts are answered here, one after the other, and by local Spark with one task at a time;
the answers are compared. The difference, divided by the number of parts, is the overhead of a part:
a task of Spark, opening the dataset again, and the way of the rows.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from clearml_snapshot.queries import Dataset, open_dataset
from clearml_snapshot.queries.ask.header import find
from clearml_snapshot.queries.engine.answer import Spark
from clearml_snapshot.queries.engine.session import Cluster, spark_session
from clearml_snapshot.queries.shards.asking import asked
from tests.support.parts import as_csv


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    result = run()
    return time.perf_counter() - begin, result


def answered(dataset: Dataset, most: int, engine: Spark | None) -> bytes:
    query = find("stats")
    values = dataset.bound(query, all_metrics=True, tail=10)
    with asked(dataset, query, values, lambda rows: (rows,), most=most, engine=engine) as answer:
        return as_csv(answer.result)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--parts", type=int, default=8)
    given = parser.parse_args()
    with open_dataset(given.dataset, threads=1) as dataset:
        most = -(-dataset.snapshot.totals.points // given.parts)
        here, expected = timed(partial(answered, dataset, most, None))
        begin = time.perf_counter()
        with spark_session(Cluster(master="local[1]")) as session:
            started = time.perf_counter() - begin
            spark = Spark(session, most=most)
            first, _ = timed(partial(answered, dataset, most, spark))
            there, found = timed(partial(answered, dataset, most, spark))
        parts = spark.n_parts
        points, is_equal = dataset.snapshot.totals.points, found == expected
        print(f"{points:,} points in {parts} parts, equal: {is_equal}")
        print(f"here {here:.2f} s; Spark starts in {started:.1f} s, its first answer {first:.1f} s")
        print(f"second answer {there:.2f} s: {(there - here) / parts:.2f} s more per part")


if __name__ == "__main__":
    main()
