"""TAB in real shells: any name is put on the line as one word, and nothing in it ever runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.queries.conftest import write
from tests.support.programs import find_program
from tests.support.real_shells import (
    QUOTES,
    SHELLS,
    Run,
    Shell,
    ask,
    install,
    keys,
    name_of,
    request,
)

NAMES = (
    "nSHOWN",
    "nc\\$(touch ran)",
    "nd`touch ran`",
    "n\\`touch ran\\`",
    "$(touch ran)",
    "`touch ran`",
    "n${x:-$(touch ran)}",
    "'$(touch ran)'",
    '"$(touch ran)"',
    "n'; touch ran; '",
    'n"; touch ran; "',
    "n'))'; touch ran; ((",
    ";touch ran",
    "|touch ran",
    "& touch ran &",
    ">ran",
    "<(touch ran)",
    "=(touch ran)",
    "(touch ran)",
    " two words ",
    "*",
    "?[a-z]",
    "{a,b}",
    "#",
    "n!!",
    "!touch",
    'n"!touch"',
    "%B%n%{",
    "~root",
    ".$(touch ran)",
    "=ls",
    "^a^b",
    "$HOME ~",
    ":monitor:a=b",
    "n/a:b c@d",
    "\\",
    "'",
    '"',
    "n\\'",
    'n\\"',
    "é😀",
    "[/bold]",
    "-C",
    "--output=ran",
)
UNFIT = (
    "n\x1b]0;title\x07",
    "n\ntouch ran",
    "n\ttouch ran",
    "n\x9b2J",
    "n\u202eabc",
    "\r",
    "n" * 1_001,
    *(f"\x01{number}" for number in range(300)),
)
"""No line of a terminal can hold these; they are not offered, and the others still are."""
UNSAFE = {("bash", '"'): "!", ("fish", ""): "~root"}
"""What a shell cannot be given, by the quote that is open: it would call up history, or a home."""
FILE = "evil$(touch ran) `x` 'y'.csv"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a dataset in which everything that has a name has hostile ones."""
    home = tmp_path_factory.mktemp("hostile")
    task = {
        "task_id": "1" * 32,
        "name": NAMES[0],
        "status": NAMES[0],
        "tags": [*NAMES, *UNFIT],
        "points": [(name, name, 1, 0.5) for name in [*NAMES, *UNFIT]],
        "params": [{"section": "s", "name": name, "value": "1"} for name in [*NAMES, *UNFIT]],
    }
    others = [
        {
            "task_id": f"{name}!",
            "name": name,
            "project": name,
            "user": name,
            "status": name,
            "type": name,
        }
        for name in [*NAMES, *UNFIT[:7]]
    ]
    write(home / "data", [task, *others])
    queries = home / "data" / "queries"
    queries.mkdir()
    title = "[/bold] $(touch ran) `touch ran` '; touch ran; ' %B :x:(touch ran) \x1b[2J"
    (queries / "own1.sql").write_text(f"-- {title}\nSELECT 1 AS one\n")
    (queries / "x$(touch ran).sql").write_text("-- A name\nSELECT 1 AS one\n")
    return home


@pytest.mark.parametrize(
    "words",
    [
        ("max", "--metric"),
        ("max", "--variant"),
        ("max", "--task-name"),
        ("max", "--project"),
        ("max", "--tag"),
        ("max", "--user"),
        ("max", "--status"),
        ("max", "--type"),
        ("leaderboard", "--param"),
        ("compare",),
    ],
)
def test_every_source_offers_all_that_fits_on_a_line(
    hostile: Path, run_here: Run, words: tuple[str, ...]
) -> None:
    begun = "s/" if words[-1] == "--param" else ""
    offered = ask(run_here, "zsh", ["query", *words, begun], "", hostile)
    dashed = {"-C", "--output=ran"} if words == ("compare",) else set()
    assert {name.removeprefix(begun) for name in offered} == set(NAMES) - dashed


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    find_program(request.param)
    return str(request.param)


@pytest.fixture
def session(shell: str, tmp_path: Path, run_here: Run) -> Iterator[Shell]:
    install(shell, tmp_path, run_here)
    started = Shell(shell, tmp_path)
    yield started
    started.end()


def test_a_completed_name_is_one_word_and_runs_nothing(
    shell: str, session: Shell, hostile: Path, tmp_path: Path, run_here: Run
) -> None:
    (tmp_path / FILE).touch()
    own = ask(run_here, shell, ["query", "own"], "", hostile)
    for letter, quote in QUOTES.items():
        answers = ask(run_here, shell, ["query", "max", "-m", ""], quote, hostile)
        by_key = {
            f"{letter}{number}": [line]
            for number, line in enumerate(answers)
            if not quote or set("'\"\\$`!") & set(name_of(shell, line))
        }
        unsafe = {name for name in NAMES if UNSAFE.get((shell, quote), "\0") in name}
        assert {name_of(shell, line) for line in answers} == set(NAMES) - unsafe
        session.answer({**by_key, "all": answers, "own": own, "file": [], "first": own[:1]})

        assert session.run("clearml-snapshot query ow\t") == ["query", "own1"]
        assert run_here(*session.asked(), cwd=hostile, **request(shell)).stdout.splitlines() == own

        words = [keys(shell, key, quote, name_of(shell, line)) for key, (line,) in by_key.items()]
        words += ["KEYown ow\t KEYfile evi\t"]
        expected = [(f"KEY{key}", name_of(shell, line)) for key, (line,) in by_key.items()]
        expected += [("KEYown", "own1"), ("KEYfile", FILE)]
        completed = session.run("clearml-snapshot " + "".join(words))
        assert completed == [word for pair in expected for word in pair]

        session.show(f"clearml-snapshot KEYall {quote}\t\t\t", "nSHOWN")
    assert not (tmp_path / "ran").exists()


def test_a_space_follows_only_what_is_complete(
    shell: str, session: Shell, history: Path, run_here: Run
) -> None:
    """The answer to each TAB is that of the program to what the shell's function requested."""
    for begun, typed, completed in [
        (":mon", "\t", ":monitor:gpu"),
        (":monitor:gpu/", "\t", ":monitor:gpu/gpu_0_utilization"),
        ("':monitor:", "\t", ":monitor:gpu"),
        ("lo", "\t/val", "loss/val"),  # several variants follow: no space
    ]:
        quote = "'" if begun.startswith("'") else ""
        words = ["query", "max", "-m", begun.removeprefix(quote)]
        answer = ask(run_here, shell, words, quote, history.parent)
        session.answer({"first": answer})
        assert [
            word for word in session.run(f"clearml-snapshot query max -m {begun}{typed} x") if word
        ] == ["query", "max", "-m", completed, "x"]
        asked = run_here(*session.asked(), cwd=history.parent, **request(shell))
        assert asked.stdout.splitlines() == answer


def test_shells_keep_the_order_of_an_answer(session: Shell) -> None:
    names = ["zzzz", "mmmm", "aaaa", "nnnn"]
    session.answer({"first": names})
    shown = session.show("clearml-snapshot query max --snapshot \t\t", names[-1])
    assert sorted(names, key=shown.index) == names
