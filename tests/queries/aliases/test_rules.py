"""What a line of aliases means, and what is refused."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.queries.aliases import Aliases
from clearml_snapshot.queries.aliases.renames import Renames, find_renames

STORED: Mapping[str, Sequence[str]] = {
    "loss": ["train", "validation"],
    "eval_loss": ["eval_loss"],
    "test_loss": ["test_loss"],
    "val_loss": ["val_loss"],
    "acc": ["val"],
    "Acc": ["val"],
    "a/b": ["c"],
    "a": ["b/x"],
    "caf\u00e9": ["x"],
    "cafe\u0301": ["y"],
    "one = two": ["#"],
    ":monitor:gpu": ["gpu_0", "gpu_1"],
}


def renames(text: str, tmp_path: Path, stored: Mapping[str, Sequence[str]] = STORED) -> Renames:
    file = tmp_path / "a.txt"
    file.write_text(text, encoding="utf-8")
    return find_renames(Aliases.read(file), stored)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # the metric is stored with one variant; otherwise the variant is called like the metric
        ("val_loss = loss/validation", {"loss/validation": "val_loss/val_loss"}),
        ("new = loss/validation", {"loss/validation": "new/new"}),
        ("acc = loss/validation", {"loss/validation": "acc/val"}),
        # a metric with its variants; a variant that is called like its metric changes with it
        ("l = loss", {"loss/train": "l/train", "loss/validation": "l/validation"}),
        ("val_loss = eval_loss", {"eval_loss/eval_loss": "val_loss/val_loss"}),
        ("loss/eval = eval_loss", {"eval_loss/eval_loss": "loss/eval"}),
        ("loss/val = loss/validation", {"loss/validation": "loss/val"}),
        # names are exact, and case matters
        ("ACC = acc", {"acc/val": "ACC/val"}),
        ("acc = Acc", {"Acc/val": "acc/val"}),
        # either Unicode form, and the stored form of a new name
        ("x = caf\u00e9", {"caf\u00e9/x": "x/x"}),
        ("x/y = cafe\u0301/y", {"cafe\u0301/y": "x/y"}),
        # globs, as of --metric
        ("m = *_loss", {
            "eval_loss/eval_loss": "m/m", "test_loss/test_loss": "m/m", "val_loss/val_loss": "m/m",
        }),
        ("m/v = los*/val*", {"loss/validation": "m/v"}),
        # regular expressions match a metric, or metric/variant, as a whole
        (r"val_loss = ~(eval|test)_loss", {
            "eval_loss/eval_loss": "val_loss/val_loss", "test_loss/test_loss": "val_loss/val_loss",
        }),
        (r"loss/\1 = ~(eval|test)_loss", {
            "eval_loss/eval_loss": "loss/eval", "test_loss/test_loss": "loss/test",
        }),
        (r"\g<v>_loss = ~loss/(?P<v>.*)", {
            "loss/train": "train_loss/train_loss",
            "loss/validation": "validation_loss/validation_loss",
        }),
        (r"gpu\1 = ~:monitor:gpu/gpu(_\d)", {
            ":monitor:gpu/gpu_0": "gpu_0/gpu_0", ":monitor:gpu/gpu_1": "gpu_1/gpu_1",
        }),
        (r"x = ~LOSS.*", {}),
        (r"x = ~(?i)ACC", {"acc/val": "x/val", "Acc/val": "x/val"}),
        # quotation marks, comments, and a slash that belongs to a metric
        ('"p = q" = "one = two"/"#"  # a comment', {"one = two/#": "p = q/p = q"}),
        ('"p/q" = "a/b"', {"a/b/c": "p/q/c"}),
        ('"p/q"/r = "a/b"/c', {"a/b/c": "p/q/r"}),
        ('p/"q/r" = a/"b/x"', {"a/b/x": "p/q/r"}),
        ('"\\u00e9\\n" = acc', {"acc/val": "\u00e9\n/val"}),
        ("  \n# nothing\n\n", {}),
        ("val_loss = val_loss", {}),
        ("x#1 = acc#2", {}),
    ],
)  # fmt: skip
def test_a_line_renames(line: str, expected: Mapping[str, str], tmp_path: Path) -> None:
    found = renames(line, tmp_path).renames
    assert {"/".join(one.stored): "/".join(one.shown) for one in found} == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\n", "line 1: 'a' is not an alias; write new name = stored name"),
        ("\n= loss", "line 2: '= loss' is not an alias; write new name = stored name"),
        ("x =  # y", "line 1: 'x =  # y' is not an alias; write new name = stored name"),
        ('x = 5" disk', "line 1: a quotation mark in 'x = 5\" disk' is not closed"),
        (r'"\q" = loss', r'line 1: "\q" is not a quoted text as in JSON; write \\ for \ '[:-1]),
        (r'"\ud800" = loss', r"line 1: "),
        ("x = ~(", "line 1: '(' is not a regular expression: "),
        (r"\2 = ~(a)", r"line 1: '\\2' does not fit the regular expression: "),
        (r"\g<n> = ~(a)", r"line 1: '\\g<n>' does not fit the regular expression: "),
        (
            "x = loss/train\ny = loss/*",
            "line 2: loss/train is already shown as x/x by a.txt, line 1; remove one of them",
        ),
        (
            "val_loss = eval_loss\nfinal = val_loss",
            "line 2: val_loss/val_loss, the new name in a.txt, line 1, would become final/final; "
            "write the final name in both",
        ),
        ("acc = Acc\nAcc = acc", "line 2: acc/val, the new name in a.txt, line 1, would become"),
        ("p = q\nr = ~l.*\nloss2 = acc", "line 2: loss2/val, the new name in a.txt, line 3, "),
        ("loss = acc/val", "line 1: the metric loss has 2 variants; write loss/train or "),
        ("m/v = loss", "line 1: the metric loss has 2 variants, which cannot all be m/v; write "),
        ("a/b/c/d = acc", 'line 1: a/b/c/d has several slashes; write "a"/"b/c/d" or "a/b"/"c/d"'),
    ],
)
def test_what_is_refused_names_the_line(
    text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as refused:
        renames(text, Path())
    assert str(refused.value).startswith(f"a.txt, {problem}")
    assert "\n" not in str(refused.value)


def test_a_name_that_could_be_two_series_is_refused(tmp_path: Path) -> None:
    both = {"a": ["b/c"], "a/b": ["c"]}
    with pytest.raises(UsageError, match='could be "a"/"b/c" or "a/b"/"c"; write one of them'):
        renames("x = a/b/c", tmp_path, both)


def test_both_unicode_forms_of_a_name_become_one(tmp_path: Path) -> None:
    forms = {"caf\u00e9": ["x"], "cafe\u0301": ["x"], "new e\u0301": ["x"]}
    found = renames("coffee = ~caf.*\nnew \u00e9 = coffe", tmp_path, forms)
    assert [one.shown for one in found.renames] == [("coffee", "x")] * 2
    (one,) = renames("new \u00e9 = caf\u00e9", tmp_path, forms).renames
    assert one.shown == ("new e\u0301", "x")


def test_an_alias_that_matches_nothing_is_reported(tmp_path: Path) -> None:
    found = renames("x = los/train\ny = ~z+\nz = *zz*", tmp_path)
    assert not found.renames
    first, second, third = (text.partition("line ")[2] for text in found.unmatched.values())
    assert first.startswith("1: no metric 'los/train'; did you mean 'loss/train'")
    assert (second, third) == ("2: no metric matches ~z+", "3: no metric '*zz*'")


def test_a_mapping_is_read_as_a_file() -> None:
    aliases = Aliases.read({"val_loss": ["eval_loss", "loss/validation"], "b": "acc"})
    found = find_renames(aliases, STORED)
    assert [one.shown[0] for one in found.renames] == ["val_loss", "val_loss", "b"]
    with pytest.raises(UsageError, match=r"^aliases\['x'\]: '\(' is not a regular expression"):
        Aliases.read({"x": "~("})


@pytest.mark.parametrize("kind", ["missing", "folder", "bytes", "large", "address"])
def test_a_file_that_cannot_be_read_is_refused(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "aliases"
    if kind == "folder":
        file.mkdir()
    elif kind == "bytes":
        file.write_bytes(b"# \nx = \xff\n")
    elif kind == "large":
        file.write_bytes(b"#" * 1_000_001)
    given = "s3://bucket/aliases" if kind == "address" else file
    with pytest.raises(UsageError) as refused:
        Aliases.read(given)
    if kind == "bytes":
        assert f"{file}, line 2: not UTF-8 text; save it as UTF-8" == str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_example_in_readme_means_what_it_says(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    _, _, example = readme.partition("    # aliases.txt\n")
    text = example.partition("\n\n")[0]
    stored = {
        "loss": ["validation"], "eval_loss": ["eval_loss"], "train_cost": ["x"],
        'the "old" name': ["x"], "val_loss": ["val_loss"],
    }  # fmt: skip
    assert [one.shown for one in renames(text, tmp_path, stored).renames] == [
        ("val_loss", "val_loss"), ("val_loss", "val_loss"), ("loss", "train"), ("a = b", "a = b"),
    ]  # fmt: skip
    assert renames(text, tmp_path, stored).unmatched == {}
