"""The same points give the same bits, whatever the files, the threads and the order of rows."""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clearml_snapshot.exporter.store.opening import open_snapshot
from tests.bench.repeat import SPILL_ROWS, answers, packed, write_otherwise

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]


def test_answers_and_packs_repeat(make_dataset: MakeDataset, tmp_path: Path) -> None:
    """Values of all magnitudes, which lose other digits in each order of adding them."""
    rng = random.Random(3)
    tasks = [
        {
            "task_id": f"{number:x}" * 32,
            "project_id": "p" if number % 2 else None,
            "points": [
                (metric, "v", at, rng.uniform(-1, 1) * 10 ** rng.randint(-6, 6))
                for metric in ("loss", "accuracy")
                for at in range(60)
            ],
            "params": [
                {"section": "Args", "name": name, "value": str(number % 3), "type": "int"}
                for name in ("lr", "seed")
            ],
        }
        for number in range(6)
    ]
    source = open_snapshot(make_dataset(tasks))
    results = []
    for run, threads in enumerate((1, 8)):
        data = tmp_path / str(run)
        write_otherwise(source, data, random.Random(run), SPILL_ROWS[run])
        answered = answers(data, threads)
        results.append({**answered, "pack": packed(data, tmp_path / f"{run}.zip")})
    for other in results[1:]:
        assert [name for name in other if other[name] != results[0][name]] == []
