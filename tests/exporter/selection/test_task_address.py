"""Task ids in addresses of the web UI."""

import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.task_address import ids_in_address

ID, OTHER, PROJECT = "a1" * 16, "b2" * 16, "c3" * 16


@pytest.mark.parametrize(
    ("address", "ids"),
    [
        (f"https://app.clear.ml/projects/{PROJECT}/experiments/{ID}/output/log", (ID,)),
        (f"https://app.clear.ml/projects/{PROJECT}/tasks/{ID}", (ID,)),
        (f"https://app.clear.ml/projects/{PROJECT}/tasks/{ID}/output/execution?columns=x#y", (ID,)),
        (f"http://localhost:8080/projects/*/experiments/{ID}/info-output/metrics/scalar", (ID,)),
        (f"HTTPS://app.example.org/clearml/projects/{PROJECT}/experiments/{ID.upper()}", (ID,)),
        (f"https://app.clear.ml/pipelines/{PROJECT}/experiments/{ID}", (ID,)),
        (f"app.clear.ml/projects/{PROJECT}/experiments/{ID}", (ID,)),
        (f" https://app.clear.ml/projects/{PROJECT}/tasks/{ID} \n", (ID,)),
        (
            f"https://app.clear.ml/projects/{PROJECT}/compare-experiments;ids={ID},{OTHER}/scalars",
            (ID, OTHER),
        ),
        (f"https://app.clear.ml/projects/x/compare-tasks;ids={OTHER}%2C{ID}", (OTHER, ID)),
        (ID, None),
        ("vision/experiments/7", None),
        ("projects/x/experiments/7", None),
        ("training lr=0.1", None),
        ("", None),
    ],
)
def test_addresses(address: str, ids: tuple[str, ...] | None) -> None:
    assert ids_in_address(address) == ids


@pytest.mark.parametrize("path", ["", "/", f"/projects/{PROJECT}", "/workers-and-queues/workers"])
def test_the_address_of_something_else_is_an_error(path: str) -> None:
    with pytest.raises(UsageError, match="is not the address of a task; copy it"):
        ids_in_address(f"https://app.clear.ml{path}")
