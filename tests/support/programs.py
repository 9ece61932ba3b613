"""Programs that tests start and that may be missing on a machine."""

import os
import shutil

import pytest


def find_program(*names: str) -> str:
    """Return the path of the first of these programs that is installed.

    Without any of them the test is skipped; in CI (``CI=true``) it fails, so that a run in CI
    never passes with fewer tests.
    """
    for name in names:
        if path := shutil.which(name):
            return path
    message = f"{names[0]} is not installed"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"{message}, and in CI no test may be skipped for that", pytrace=False)
    pytest.skip(message)
