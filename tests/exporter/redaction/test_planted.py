"""How many of the planted credentials are found, and how many ordinary parameters are taken."""

import re
from collections.abc import Callable, Iterable

import pytest

from clearml_snapshot.exporter.redaction.formats import formats
from clearml_snapshot.exporter.redaction.redactor import Redactor
from tests.support.credentials.ordinary import ordinary
from tests.support.credentials.ordinary_later import ordinary_later
from tests.support.credentials.planted import Planted, planted, unseen
from tests.support.credentials.planted_later import later
from tests.support.credentials.planted_manuals import manuals
from tests.support.credentials.planted_servers import servers


def stored(case: Planted) -> str:
    return Redactor().parameter("Args", case.name, case.value)[0] or ""


@pytest.mark.parametrize(
    ("draw", "least"),
    [(planted, 0.99), (unseen, 0.95), (later, 0.95), (manuals, 0.93), (servers, 0.97)],
)
def test_planted_credentials_are_found(draw: Callable[[], Iterable[Planted]], least: float) -> None:
    kinds = list(draw())
    missed = [case.kind for case in kinds if case.secret in stored(case)]
    assert len(kinds) - len(missed) >= least * len(kinds), missed


def test_ordinary_parameters_stay() -> None:
    redactor = Redactor()
    parameters = list(ordinary())
    assert len(parameters) >= 600
    for name, value in parameters:
        assert redactor.parameter("Args", name, value) == (value, False)
        assert redactor.text(f"{name}: {value}") == (f"{name}: {value}", 0)


def test_ordinary_parameters_that_came_later_stay() -> None:
    redactor = Redactor()
    parameters = list(ordinary_later())
    assert len(parameters) >= 600
    taken = [pair for pair in parameters if redactor.parameter("Args", *pair)[1]]
    assert len(taken) <= 0.01 * len(parameters), taken


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("license_key", "apache-2.0"),
        ("id-token", "write"),
        ("shortuuid", "run-mhvXdrZT4jP5T8vBxuvm75"),
        ("weights", f"foobar_{'9f86d081884c7d65' * 4}"),
        ("remote", "https://me:${PASSWORD}@git.example/x.git"),
        ("token", "${{ secrets.X }}"),
        ("client", 'store.get_secret("wandb-key-2")'),
        ("note", "the password is required, see ResNet50"),
        ("cmd", "train -p ResNet50 -w 0.1 -a vit_b_16 --login node01"),
        ("arch", "org/Model3b1@main"),
        ("image", "registry:5000/team/x:v1.2b3@sha256:abc"),
        ("pair", f"model:{'9f86d081884c7d65' * 4}"),
    ],
)
def test_what_only_looks_like_one_stays(name: str, value: str) -> None:
    assert stored(Planted(name, name, value, "")) == value


def test_what_was_redacted_stays_as_it_is() -> None:
    """Or a pack would stop at what an export has taken out."""
    redactor = Redactor()
    for case in planted(seed=1):
        once, _ = redactor.parameter("Args", case.name, case.value)
        assert redactor.parameter("Args", case.name, once) == (once, False), case.kind


def test_each_format_has_a_source_and_its_markers() -> None:
    names = [case.name for case in formats()]
    assert names == sorted(set(names))
    for case in formats():
        assert re.fullmatch(r"https://\S+|gitleaks|credsweeper", case.source), case.name
        assert case.markers, case.name
        assert case.pattern.search("") is None, case.name
