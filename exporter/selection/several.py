"""Accepts one text where a filter takes several: ``projects="vision"`` is ``("vision",)``."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from clearml_snapshot.exporter.errors import UsageError


def accept_one(instance: Any) -> None:
    """Make each field whose default is ``()`` a tuple of texts.

    A text would otherwise be read letter by letter.

    Args:
        instance: of a frozen dataclass, which calls this in ``__post_init__``.

    Raises:
        UsageError: a value is neither a text nor texts.
    """
    for field in fields(instance):
        value = getattr(instance, field.name)
        if field.default == () and value != ():
            object.__setattr__(instance, field.name, tuple(_texts(field.name, value)))


def _texts(name: str, value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Iterable) and not isinstance(value, bytes | dict):
        texts = sorted(value) if isinstance(value, set | frozenset) else list(value)
        if all(isinstance(text, str) for text in texts):
            return texts
    raise UsageError(f"{name}: give a text or several texts, not {value!r}")
