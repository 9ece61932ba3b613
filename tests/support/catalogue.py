"""Arguments for every query of the catalogue; a new query with required parameters needs a line."""

from collections.abc import Mapping
from typing import Any, Final

NEEDED: Final[Mapping[str, Mapping[str, Any]]] = {
    "best": {"metric": "loss", "best": "lowest"},
    "compare": {"metric": "loss"},
    "first": {"below": 1},
    "group": {"metric": "loss", "best": "lowest", "by": "project"},
    "leaderboard": {"metric": "loss", "best": "lowest"},
}
"""What a query cannot be run without; ``compare`` needs ids of two tasks as well."""
