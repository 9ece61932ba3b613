"""TAB in bash, zsh and fish for thousands of hostile names, in each quote that may be open.

    python -m tests.bench.tab [NAMES] [SEED]

Each name is one of a drawn dataset; the program answers once per shell and quote, and the shell
completes name after name. Ends with 1 when a completed word is not the name, a name that has a form
is not offered, or a file appeared that only a name's own text could have made.
"""

import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from clearml_snapshot.cli.typer_ext.completion import MOST
from tests.cli.conftest import run_in_process
from tests.queries.conftest import write
from tests.support.real_shells import QUOTES, SHELLS, Shell, ask, install, keys, name_of

_PIECES = (
    *"""abc '"\\$`!#%&*()[]{}<>?|;:,.=~^@+-/_é😀""",
    "touch ran",
    "$(touch ran)",
    "`touch ran`",
    "; touch ran;",
    "$'\\x41'",
    "\\n",
    "!!",
    "${a}",
    "%s",
    "\u200b",
)
_ON_ONE_LINE = 40


def _draw(seed: int) -> Iterator[str]:
    drawn = random.Random(seed)
    while True:
        yield "".join(drawn.choices(_PIECES, k=drawn.randint(1, 9)))


def _is_offered(name: str, shell: str, quote: str) -> bool:
    """Whether there is a form for the name; see ``cli/typer_ext/shells.py``."""
    if shell == "bash" and quote == '"':
        return "!" not in name
    return shell != "fish" or bool(quote) or not name.startswith("~")


def _wrong(shell: str, home: Path, datasets: list[tuple[Path, set[str]]]) -> int:
    install(shell, home, run_in_process)
    session, wrong = Shell(shell, home), 0
    for folder, names in datasets:
        for quote in QUOTES.values():
            answers = ask(run_in_process, shell, ["query", "max", "-m", ""], quote, folder)
            offered = {name_of(shell, line): line for line in answers}
            missed = {name for name in names if _is_offered(name, shell, quote)} ^ set(offered)
            completed = _completed(shell, session, quote, offered)
            wrong += len(missed) + len(completed)
            for name in sorted(missed | completed):
                print(f"  {shell}, {quote or 'no quote'}: {name!r}")
    session.end()
    return wrong


def _completed(shell: str, session: Shell, quote: str, offered: dict[str, str]) -> set[str]:
    """Press TAB for each name, and give those that did not become their word."""
    wrong, left = set[str](), iter(offered)
    while names := list(islice(left, _ON_ONE_LINE)):
        session.answer({str(place): [offered[name]] for place, name in enumerate(names)})
        typed = "".join(keys(shell, str(place), quote, name) for place, name in enumerate(names))
        words = session.run(f"clearml-snapshot {typed}")
        wrong |= {name for name, word in zip(names, words[1::2], strict=False) if name != word}
        wrong |= set(names[len(words) // 2 :])
    return wrong


def _datasets(home: Path, number: int, seed: int) -> Iterator[tuple[Path, set[str]]]:
    names = _draw(seed)
    for place in range(-(-number // MOST)):
        folder = home / f"drawn{place}"
        some = set(islice(names, min(MOST, number)))
        write(folder / "data", [{"task_id": "1" * 32, "points": [(n, "v", 1, 0.5) for n in some]}])
        yield folder, some


def main() -> int:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        datasets = list(_datasets(Path(folder), number, seed))
        for shell in filter(shutil.which, SHELLS):
            home = Path(folder, shell)
            home.mkdir()
            here = _wrong(shell, home, datasets)
            wrong += here + (home / "ran").exists()
            total = sum(len(names) for _, names in datasets)
            print(f"{shell}: {total:,} names, each in 3 quotes, {here} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
