"""Draws every picture again."""

import tempfile
from pathlib import Path

from tests.cli.conftest import run_in_process
from tests.cli.pictures.cases import CASES, file_of, make_demo, picture

with tempfile.TemporaryDirectory() as folder:
    make_demo(Path(folder), run_in_process)
    for name, command in CASES.items():
        file_of(name).write_text(picture(command, run_in_process, Path(folder)), encoding="utf-8")
