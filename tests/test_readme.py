"""The README shows what the tool prints today."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import readme


def test_the_session_and_the_exit_codes_are_what_the_code_says() -> None:
    assert readme.README.read_text(encoding="utf-8") == readme.generated(), "run `make docs`"
