"""Training parameters and comments that are not credentials stay as they are."""

import pytest

from clearml_snapshot.exporter.redaction.redactor import Redactor
from tests.support.credentials.invented import HEX32, HEX40, INNOCENT


@pytest.mark.parametrize("name", INNOCENT)
def test_training_parameters_stay(name: str) -> None:
    redactor = Redactor()
    value = INNOCENT[name]
    for section in ("Args", "General", "Hydra", "properties"):
        assert redactor.parameter(section, name, value) == (value, False)
    assert redactor.text(f"{name}={value}\n{name}: {value}") == (
        f"{name}={value}\n{name}: {value}",
        0,
    )
    assert redactor.count == 0


def test_comments_stay() -> None:
    comment = (
        "Longer warm-up after Maria's note; tokens: 1.2T, token budget is 4096.\n"
        f"Based on {HEX32} at {HEX40}. The secret is patience. Key takeaway: lr 3e-4 diverges.\n"
        "See https://wiki.example.com/display/ML/Runs?pageId=123456 and s3://bucket/a/b.ckpt"
    )
    assert Redactor().text(comment) == (comment, 0)


def test_nothing_in_nothing_out() -> None:
    redactor = Redactor()
    assert redactor.parameter("Args", "password", None) == (None, False)
    assert redactor.parameter("Args", "password", "") == ("", False)
    assert redactor.text(None) == (None, 0)
    assert redactor.url(None) == (None, 0)
    assert redactor.parameter("", "", "x") == ("x", False)
