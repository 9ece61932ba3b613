"""Accepts one text where a filter takes several: ``projects="vision"`` is ``("vision",)``."""

from collections.abc import Iterable

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.settings import setting


class Texts:
    """A field of a frozen dataclass: it accepts a text or texts, and is a tuple of texts.

    A text would otherwise be read letter by letter. Type checkers see both types, because
    dataclasses give what they are given to ``__set__``.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> tuple[str, ...]:
        if instance is None:
            return ()  # the default
        texts: tuple[str, ...] = vars(instance)[self._name]
        return texts

    def __set__(self, instance: object, value: str | Iterable[str]) -> None:
        """Store the value as a tuple.

        Raises:
            UsageError: it is neither a text nor texts.
        """
        vars(instance)[self._name] = tuple(_texts(self._name, value))


def _texts(name: str, value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Iterable) and not isinstance(value, bytes | dict):
        texts = sorted(value) if isinstance(value, set | frozenset) else list(value)
        if all(isinstance(text, str) for text in texts):
            return texts
    raise UsageError(f"{setting(name)}: give a text or several texts, not {value!r}")
