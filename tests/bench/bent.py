"""Bend every value of every answer that a command reads, in every odd way; see how it ends.

    python -m tests.bench.bent [--sample 0 --seed 1]

Each case is one command in this process against a stand-in with one value bent: replaced,
left out, or given twice. It must end with a documented exit code and, when it fails, with one line;
tasks that the bent answer is not about must be stored point for point. Exits non-zero when a case
does not. ``--sample N`` tries only N cases, chosen by the seed.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from clearml_snapshot.exporter.client.budget import RequestBudget
from tests.conftest import Clock
from tests.support.bending import SCENES, BentServer, Scene, Stage, bends, small_database


def bend_all(sample: int, seed: int) -> int:
    """Run the cases; gives the number that ended wrong."""
    clock, wrong, run = Clock(), 0, 0
    unhit: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as home:
        patch.setattr(RequestBudget, "now", staticmethod(lambda: clock.now))
        patch.setattr(RequestBudget, "_wait", staticmethod(clock.wait))
        with BentServer(small_database()) as server:
            for name, value in server.environment().items():
                patch.setenv(name, value)
            stage = Stage(server, Path(home))
            store_first(stage)
            cases = [(scene, bend) for scene in SCENES for bend in bends(stage.look(scene))]
            if sample:
                cases = random.Random(seed).sample(cases, sample)
            for scene, bend in cases:
                faults = stage.faults(scene, bend)
                run, wrong = run + 1, wrong + bool(faults)
                unhit[scene.name] += not server.hits
                for fault in faults:
                    print(f"{scene.name}: {bend}\n    {fault}", flush=True)
    print(f"{run:,} bent answers, {wrong:,} ended wrong; not reached: {dict(unhit)}")
    return wrong


def store_first(stage: Stage) -> None:
    """Export once, for the scenes that begin with a dataset, and let the server move on."""
    stage.look(Scene("first", ("export", "--all")))
    stage.stored = stage.home / "stored"
    shutil.move(stage.home / "data", stage.stored)
    database = stage.server.database
    first, second, *_ = database.tasks
    database.rename(first, "another name")
    database.report(second, [{"metric": "loss", "variant": "train", "iter": 9, "value": 9.0}])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sys.exit(1 if bend_all(arguments.sample, arguments.seed) else 0)
