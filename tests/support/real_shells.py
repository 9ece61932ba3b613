"""Real shells on a terminal of their own, with completion installed as a user installs it.

A script takes the place of the program on the path: it records what the shell's function requested
and repeats what the program answers, so that pressing TAB costs a thousandth of a second of it.
"""

import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from clearml_snapshot.cli.typer_ext.bash_words import parse
from clearml_snapshot.cli.typer_ext.parameters import SHELL_VARIABLE

Run = Callable[..., "subprocess.CompletedProcess[str]"]

SHELLS: Final = ("bash", "zsh", "fish")
QUOTES: Final = {"n": "", "s": "'", "d": '"'}
"""The quoting that may be open when TAB is pressed, by a letter."""
BREAKS: Final = " \t\n\"'@><=;|&(:"
"""bash's own COMP_WORDBREAKS."""

_PROGRAM: Final = """#!/bin/sh
printf '%s\\0' "$@" >"$ANSWERS/asked"
text="$*"
case "$text" in *KEY*) key="${text##*KEY}" ;; *) key=first ;; esac
key="${key%%[!a-z0-9]*}"
while IFS= read -r line; do printf '%s\\n' "$line"; done <"$ANSWERS/$key"
"""
_SAY: Final = "printf '%s\\0' \"$@\" >said"
"""What the completed line runs: it writes down its arguments."""
_SETUP: Final = {
    "bash": f"""
clearml-snapshot() {{ {_SAY}; }}
PROMPT_COMMAND='((++N)); PS1="R$N> "'
""",
    "zsh": f"""
clearml-snapshot() {{ {_SAY}; }}
precmd() {{ ((++N)); PS1="R$N> " }}
""",
    "fish": f"""
function clearml-snapshot; {_SAY.replace('"$@"', "$argv")}; end
function count_prompts --on-event fish_prompt; set -g N (math $N + 1); end
function fish_prompt; echo "R$N> "; end
function fish_greeting; end
""",
}
_SETUP_FILE: Final = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}


def install(shell: str, home: Path, run: Run) -> None:
    """Run ``--install-completion`` as if this shell had started it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer._completion_shared._get_shell_name", lambda: shell)
        done = run("--install-completion", cwd=home, HOME=str(home))
    assert (done.returncode, done.stderr) == (0, "")


def ask(run: Run, shell: str, words: Sequence[str], quote: str, cwd: Path) -> list[str]:
    """Let the program answer the requests of the shells' functions; the last word is begun."""
    typed = [*words[:-1], quote + words[-1]]
    line = " ".join(["clearml-snapshot", *typed])
    done = run(*([line, BREAKS] if shell == "bash" else typed), cwd=cwd, **request(shell))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def request(shell: str) -> dict[str, str]:
    """Return the variable with which a shell's function requests completions."""
    return {SHELL_VARIABLE: f"lines_{shell}"}


def name_of(shell: str, answer: str) -> str:
    """Return the name that a line of an answer represents."""
    return parse(answer).incomplete if shell == "bash" else answer.partition("\t")[0]


def keys(shell: str, key: str, quote: str, name: str) -> str:
    """Return what is typed for the answer of a key, in the form that the shell expects.

    fish hides a name that begins with a dot until the dot is typed, and leaves the quote open
    behind a name to which more could belong.
    """
    dot = "." * name.startswith(".")
    closing = quote * (shell == "fish" and name[-1] in "/=@:.,-" and name != ".")
    return f"KEY{key} {quote}{dot}\t{closing} "


class Shell:
    """One interactive shell; leave it with ``end``."""

    def __init__(self, name: str, home: Path) -> None:
        self._home = home
        self._screen = ""
        self._prompts = 0
        programs, self.answers = home / "programs", home / "answers"
        programs.mkdir()
        self.answers.mkdir()
        (programs / "clearml-snapshot").write_text(_PROGRAM)
        (programs / "clearml-snapshot").chmod(0o700)
        setup = home / _SETUP_FILE[name]
        setup.parent.mkdir(parents=True, exist_ok=True)
        with setup.open("a") as file:
            file.write(_SETUP[name])
        environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "HOME": str(home),
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
            "INPUTRC": "/dev/null",
            "ANSWERS": str(self.answers),
        }
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(home)
            os.execve(shutil.which(name) or name, [name, "-i"], environment)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 200, 0, 0))
        self._wait_for_prompt()

    def answer(self, answers: Mapping[str, Iterable[str]]) -> None:
        """Set the program's answer if KEY and a key are the last words before the cursor."""
        for key, lines in answers.items():
            (self.answers / key).write_text("".join(f"{line}\n" for line in lines))

    def run(self, line: str) -> list[str]:
        """Type a line with TABs, and return the arguments with which it ran."""
        self._type(f"{line}\r")
        self._wait_for_prompt()
        record = self._home / "said"
        arguments = record.read_text().split("\0")[:-1]
        record.unlink()
        return arguments

    def show(self, line: str, shown: str) -> str:
        """Type a line, wait until the screen shows a text, and take the line back.

        Returns:
            What the screen showed until then.
        """
        self._type(line)
        self._wait_for(shown)
        screen = self._screen
        self._type("\x15")
        return screen

    def asked(self) -> list[str]:
        """Give the arguments with which the shell's function last ran the program."""
        return (self.answers / "asked").read_text().split("\0")[:-1]

    def end(self) -> None:
        """End the shell."""
        os.kill(self._pid, signal.SIGKILL)
        os.close(self._terminal)
        os.waitpid(self._pid, 0)

    def _type(self, keys: str) -> None:
        self._screen = ""
        left = keys.encode()
        while left:  # a terminal takes 4 kB; the shell's echo must be read for it to go on
            _, writable, _ = select.select([], [self._terminal], [], 0)
            if writable:
                left = left[os.write(self._terminal, left[:1000]) :]
            self._read(0)

    def _wait_for_prompt(self) -> None:
        self._prompts += 1
        self._wait_for(f"R{self._prompts}> ")

    def _wait_for(self, text: str) -> None:
        while text not in self._screen:  # a hang is ended by pytest's timeout
            self._read(1)

    def _read(self, seconds: float) -> None:
        ready, _, _ = select.select([self._terminal], [], [], seconds)
        if ready:
            shown = os.read(self._terminal, 65536).decode(errors="replace")
            self._screen += shown
            if "\x1b[c" in shown or "\x1b[0c" in shown:  # fish 4 waits for the answer
                os.write(self._terminal, b"\x1b[?62c")
