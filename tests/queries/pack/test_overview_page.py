"""index.html: what it states is true, names in it do nothing, and it stays small."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.pack import overview_page as page
from clearml_snapshot.queries.pack import varying
from clearml_snapshot.queries.pack.best_values import best
from tests.queries.conftest import write
from tests.support.nasty import nasty
from tests.support.pages import MakeDataset, Reader, hostile_tasks, page_of


def test_the_page_is_well_formed_and_loads_nothing(tmp_path: Path) -> None:
    write(tmp_path / "data", hostile_tasks("http://127.0.0.1:1"))
    text = page_of(tmp_path / "data")
    (styles,) = re.findall(r"<style>(.*)</style>", text, re.DOTALL)
    assert [load for load in ("url(", "@import", "@font-face") if load in styles] == []
    read = Reader(text)
    tags = {tag for tag, _ in read.tags}
    assert tags & {"script", "img", "iframe", "link", "object", "embed", "base", "form"} == set()
    names = {name for _, attributes in read.tags for name in attributes}
    assert not [name for name in names if name.startswith("on")]
    assert names & {"src", "srcset", "style", "action", "background", "ping"} == set()
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes for tag, attributes in read.tags if tag == "a"]
    inside = [link["href"] or "" for link in links if "rel" not in link]
    assert {href[1:] for href in inside if href.startswith("#")} <= set(ids)
    beside = {href for href in inside if not href.startswith("#")}
    assert beside == {
        "summary.csv",
        "README.md",
        "snapshot.json",
        "datapackage.json",
        "SHA256SUMS",
    }
    outside = {link["href"] for link in links if link.get("rel") == "noreferrer noopener"}
    assert outside == {"https://duckdb.org", "http://127.0.0.1:1/click"}
    assert read.tags[0] == ("html", {"lang": "en"})
    assert all("scope" in attributes for tag, attributes in read.tags if tag == "th")
    assert len([t for t in read.tags if t[0] == "table"]) == len(
        [t for t in read.tags if t[0] == "caption"]
    )


NAMES = {
    "safe\u202egnp.exe": "safe⟨U+202E⟩gnp.exe",
    "a\x1b[2J\x00\n": "a⟨U+001B⟩[2J⟨U+0000⟩⟨U+000A⟩",
    "in\u200bvisible\ufeff": "in⟨U+200B⟩visible⟨U+FEFF⟩",
    "עברית 🚀 👩\u200d🔬 é": "עברית 🚀 👩\u200d🔬 é",
    "x" * 5000: "x" * 119 + "…",
    "\x00" * 5000: ("⟨U+0000⟩" * 20)[:119] + "…",
}
"""Names, and what is shown of them."""


def test_unseen_characters_are_spelt_out_and_names_are_cut(make_dataset: MakeDataset) -> None:
    tasks = [
        {"task_id": f"{at:032x}", "name": name, "status": "in_progress"}
        for at, name in enumerate(NAMES)
    ]
    text = page_of(make_dataset(tasks))
    assert [shown for shown in NAMES.values() if f"<bdi>{shown}</bdi>" not in text] == []


LINKED = [
    "https://app.clear.ml/projects/*/experiments/1/output/log?a=1&b=2",
    "HTTP://host:8080/x",
]
NOT_LINKED = [
    "javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>1</script>",
    "file:///etc/passwd",
    "//host/x",
    "https://user:password@host/",
    "https:///nowhere",
    "https://[broken/",
    "https://host/ space",
    'https://host/"onclick="x',
    "https://host/" + "x" * 500,
]


def test_only_addresses_of_the_web_are_linked(make_dataset: MakeDataset) -> None:
    tasks = [
        {"task_id": f"{at:032x}", "web_url": url, "status": "in_progress"}
        for at, url in enumerate([*LINKED, *NOT_LINKED])
    ]
    read = Reader(page_of(make_dataset(tasks)))
    links = [a["href"] for tag, a in read.tags if tag == "a" and a.get("rel")]
    assert links == [*LINKED, *LINKED, "https://duckdb.org"]


def test_the_best_values_are_those_of_max_and_min(make_dataset: MakeDataset) -> None:
    names = ("metric", "variant", "value", "iteration", "task_id", "task", "project", "archived")
    with open_dataset(make_dataset(nasty())) as dataset:
        series = best(dataset, 100)
        for which, query in (("lowest", "min"), ("highest", "max")):
            rows = dataset.rows(dataset.query(query)).as_dicts()
            assert len(rows) == len(series)
            for row, entry in zip(rows, series, strict=True):
                end = getattr(entry, which)
                assert (entry.n_tasks, entry.n_points) == (row["n_tasks"], row["n_points"])
                if row["value"] is None:
                    assert end is None
                else:
                    assert [end.row[n] for n in names] == [row[n] for n in names]


def test_the_metrics_that_most_tasks_have_are_listed(make_dataset: MakeDataset) -> None:
    tasks = [
        {"task_id": f"{n:032x}", "points": [(f"m{m}", "v", 1, n * 1.0) for m in range(n)]}
        for n in range(1, 6)
    ]
    with open_dataset(make_dataset(tasks)) as dataset:
        assert [(entry.metric, entry.n_tasks) for entry in best(dataset, 2)] == [
            ("m0", 5),
            ("m1", 4),
        ]


def test_a_zero_that_is_probably_a_nan_is_marked(make_dataset: MakeDataset) -> None:
    values = [2.3, 1.9, 0.0, 1.7]
    task = {"task_id": "a" * 32, "points": [("loss", "train", n, v) for n, v in enumerate(values)]}
    data = make_dataset([task])
    with open_dataset(data) as dataset:
        (entry,) = best(dataset, 10)
    assert entry.lowest is not None
    assert entry.lowest.is_suspect
    assert entry.lowest.without is not None
    assert (entry.lowest.without["value"], entry.lowest.without["iteration"]) == (1.7, 3)
    assert entry.highest is not None
    assert not entry.highest.is_suspect
    words = Reader(page_of(data)).words
    assert "0 at iteration 2 task" in words  # not called better
    assert "probably a NaN Without such zeros: 1.7 at iteration 3 better" in words


def test_coverage_and_problems(make_dataset: MakeDataset) -> None:
    words = Reader(page_of(make_dataset(nasty()))).words
    assert "2 of 6 tasks are not complete here" in words
    assert (
        "complete 4 every point that the server counted for the requested metrics is stored"
        in words
    )
    assert "failed 1 its points could not be read" in words
    assert "the server holds 1 of its 4 points" in words
    assert "1 task had not ended" in words
    assert "1 task was archived" in words
    assert "2 tasks have no scalars" in words
    assert "acc / val 1 3 1 9 " in words  # tasks, NaN or ±∞, without a number, points
    assert "no finite number" not in words.partition("Best values")[2].partition("Terms")[0]
    assert "1 variant of :monitor: metrics" in words


def test_tasks_that_were_not_read_are_reported_first(make_dataset: MakeDataset) -> None:
    read = {"task_id": "a" * 32, "points": [("loss", "train", 1, 1.0)]}
    left = [{"task_id": f"{at}" * 32, "state": "unread"} for at in range(3)]
    words = Reader(page_of(make_dataset([read, *left]))).words
    assert "3 of 4 tasks are not complete here: 3 not read yet." in words
    assert "3 selected tasks were not read yet, so no answer in this folder counts them." in words
    assert "unread 3 selected, but the export ended before its points were read" in words
    assert "have no scalars" not in words


def test_a_complete_snapshot_is_called_complete(make_dataset: MakeDataset) -> None:
    task = {"task_id": "a" * 32, "points": [("loss", "train", 1, 1234567.891)]}
    text = page_of(make_dataset([task]))
    assert "Every point that the server counted for this task is here." in text
    assert "Every value is a finite number." in text
    assert '<data value="1234567.891" title="1234567.891">1.23457e+06</data>' in text
    assert "1 experiment from" in text
    assert "Selected for this pack" not in text


def test_a_part_is_not_called_complete(make_dataset: MakeDataset) -> None:
    data = make_dataset([{"task_id": "a" * 32, "points": [("loss", "train", 1, 1.0)]}])
    packed(data, {"selection": "", "metrics": "--metric loss", "taken_out": []})
    assert "is here, for the selected metrics." in Reader(page_of(data)).words


def test_what_a_pack_left_out_is_not_blamed_on_the_server(make_dataset: MakeDataset) -> None:
    row = {"metric_filter": '{"asked": ["--metric loss"], "metrics": [{"metric": "loss"}]}'}
    loss = [("loss", "train", 1, 1.0)]
    tasks: list[dict[str, Any]] = [
        {"task_id": "a" * 32, "points": loss, **row},
        {"task_id": "b" * 32, **row},
    ]
    data = make_dataset(tasks)
    packed(data, {"selection": "", "metrics": "--metric loss", "taken_out": []})
    words = Reader(page_of(data)).words
    assert "Only some metrics of 2 tasks are included." in words
    assert "1 task has no scalars of the selected metrics." in words
    assert (
        "1 task has no scalars at all."
        in Reader(page_of(make_dataset([{"task_id": "c" * 32}]))).words
    )


def test_an_empty_snapshot_has_a_page(make_dataset: MakeDataset) -> None:
    words = Reader(page_of(make_dataset([]))).words
    assert "0 experiments from" in words
    assert "No task has logged a metric of its own." in words


def test_what_is_cut_is_counted(make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "LISTED", 1)
    monkeypatch.setattr(page, "BEST", 2)
    monkeypatch.setattr(page, "EXCEL_ROWS", 5)
    words = Reader(page_of(make_dataset(nasty()))).words
    assert "… and 2 more variants that fewer tasks have; summary.csv has them all." in words
    assert "… and 1 more such tasks" in words
    assert "… and 2 more variants" in words
    assert "Excel shows the first 4 of them only" in words


def packed(data: Path, provenance: object) -> None:
    """Write into the current snapshot what ``pack`` records about a pack."""
    path = data / "current" / "snapshot.json"
    header = json.loads(path.read_bytes())
    path.write_text(json.dumps(header | {"packed": provenance}))


def test_what_was_chosen_and_taken_out(make_dataset: MakeDataset) -> None:
    data = make_dataset(nasty())
    chosen = {"selection": "--project '<b>'", "metrics": "loss", "taken_out": ["users", "<i>2"]}
    packed(data, chosen)
    words = Reader(page_of(data)).words
    assert (
        "Selected for this pack --project '<b>'; metrics: loss Removed from this pack users <i>2 "
        in words
    )
    packed(data, {"selection": "", "metrics": "", "taken_out": []})
    words = Reader(page_of(data)).words
    assert "Selected for this pack all tasks; metrics: all Removed from this pack nothing" in words


def test_the_same_snapshot_gives_the_same_bytes(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_dataset(nasty())
    page = page_of(data, threads=1)
    moved = tmp_path / "elsewhere"
    shutil.copytree(os.path.realpath(data / "current"), moved)
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert page_of(moved, threads=4) == page
    assert "\r" not in page


def swept(n_tasks: int, n_params: int = 2) -> list[dict[str, Any]]:
    return [
        {
            "task_id": f"{at:032x}",
            "name": f"run {at}",
            "points": [("loss", "train", 5, 1.0 + at), ("epoch", "now", 1, 1.0)],
            "params": [
                {"section": "Args", "name": f"p{n}", "value": f"set {at}"} for n in range(n_params)
            ],
        }
        for at in range(n_tasks)
    ]


def test_the_best_values_and_their_settings_are_first(make_dataset: MakeDataset) -> None:
    text = page_of(make_dataset(swept(3)))
    titles = re.findall(r"<h2 id=\"(\w+)-title\">", text)
    assert titles[:4] == ["best", "complete", "origin", "tasks"]
    assert re.findall(r'<a href="#(\w+)">', text)[:4] == titles[:4]
    words = Reader(text).words
    assert words.index("loss / train") < words.index("epoch / now")  # whose direction nobody knows
    assert "Below each value are the hyperparameters that vary between the tasks." in words
    loss = words.partition("loss / train")[2].partition("epoch / now")[0]
    assert (
        "1 at iteration 5 better run 0 00000000 in no project Args/p0 set 0 Args/p1 set 0" in loss
    )
    assert "3 at iteration 5 run 2 00000000 in no project Args/p0 set 2 Args/p1 set 2" in loss
    assert loss.count("better") == 1
    assert "better" not in words.partition("epoch / now")[2].partition("How complete")[0]


def test_tasks_have_a_table_with_what_varies(make_dataset: MakeDataset) -> None:
    tasks = swept(3)
    tasks[0]["params"] += [{"section": "Args", "name": "same", "value": "1"}]
    tasks[1]["params"] += [{"section": "Args", "name": "same", "value": "1.0"}]
    tasks[2]["params"] = [{"section": "Args", "name": "same", "value": "1e0"}]
    words = Reader(page_of(make_dataset(tasks))).words
    table = words.partition("Tasks by project and name")[2].partition("Projects")[0]
    assert table.strip() == (
        "Task Args/p0 Args/p1 "
        "run 0 00000000 in no project , completed set 0 set 0 "
        "run 1 00000000 in no project , completed set 1 set 1 "
        "run 2 00000000 in no project , completed – –"
    )
    assert "with names and 2 hyperparameters that vary." in words


def test_tasks_without_anything_that_varies_are_listed(make_dataset: MakeDataset) -> None:
    words = Reader(page_of(make_dataset(swept(2, n_params=0)))).words
    assert "No hyperparameters are stored." in words
    same = [{**task, "params": swept(1)[0]["params"]} for task in swept(2)]
    words = Reader(page_of(make_dataset(same))).words
    assert "The hyperparameters are the same in all tasks." in words
    assert "run 1 00000000 in no project , completed" in words


def test_tasks_and_settings_that_are_left_out_are_counted(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "TASKS", 2)
    data = make_dataset(swept(5, n_params=8))
    words = Reader(page_of(data)).words
    assert "The first tasks by project and name" in words
    assert "… and 3 more tasks; summary.csv has them all." in words
    assert "6 of the 8 hyperparameters that vary" in words
    left = "… and 2 more hyperparameters that vary; summary.csv "
    assert f"{left}has them all as columns." in words
    monkeypatch.setattr(varying, "COLUMNS", 7)
    words = Reader(page_of(data)).words
    assert f"{left}has 7 of all 8 as columns, the table hyperparams has every one." in words


def test_a_page_about_very_much_stays_small(make_dataset: MakeDataset) -> None:
    tasks = [
        {
            **task,
            "name": "n" * 3000,
            "params": [{**one, "name": one["name"] * 500, "value": "v" * 3000 + str(at)}
                       for one in task["params"]],
            "points": [(f"{m:03}" * 100, "v" * 500, 1, 1.0 * m) for m in range(10)],
        }
        for at, task in enumerate(swept(250, n_params=20))
    ]  # fmt: skip
    assert len(page_of(make_dataset(tasks))) < 1_000_000


def test_what_is_not_complete_is_stated_at_the_top(make_dataset: MakeDataset) -> None:
    words = Reader(page_of(make_dataset(nasty()))).words
    top = words.partition("Best values")[0]
    assert "2 of 6 tasks are not complete here; see how complete it is." in top
    assert "not complete" not in Reader(page_of(make_dataset(swept(1)))).words
