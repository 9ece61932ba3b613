"""Shell completion: functions for the shells, and answers in plain lines that nothing evaluates.

The names that are offered come from other people: metrics, projects, tasks, titles of queries. So
no shell may evaluate an answer when TAB is pressed, and TAB must insert one word that means exactly
the name when the line is run. Typer's own function for zsh evaluates its answer, and its functions
for bash and PowerShell insert a name unchanged. So the functions here send requests of their own
form (``lines_SHELL``), and functions of Typer that were installed before get no answer. The shells
keep the order of an answer: snapshots are offered newest first.

zsh and fish quote what they insert; for bash and PowerShell it is quoted here.
"""

import os
import re
import sys
from collections.abc import Sequence
from typing import Any, Final

import typer

from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.typer_ext.bash_words import continuations, parse
from clearml_snapshot.cli.typer_ext.parameters import SHELL_VARIABLE
from clearml_snapshot.cli.typer_ext.private import (
    COMPLETION_SCRIPTS,
    ClickCommand,
    get_completion_script,
    resolve_context,
    resolve_incomplete,
    split_arg_string,
)
from clearml_snapshot.exporter.errors import ExitCode, SnapshotError

_BASH: Final = """
%(complete_func)s() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        [[ -n $line ]] && COMPREPLY+=("$line")
    done < <(env %(autocomplete_var)s=lines_bash %(prog_name)s \\
                 "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
}

complete -o nosort -o default -F %(complete_func)s %(prog_name)s 2>/dev/null ||
    complete -o default -F %(complete_func)s %(prog_name)s
"""
"""bash sorts what it offers, and knows ``nosort`` since 4.4."""

_ZSH: Final = """
#compdef %(prog_name)s

%(complete_func)s() {
  local -a names shown
  local line
  while IFS= read -r line; do
    [[ -n $line ]] || continue
    names+=("${line%%%%$'\\t'*}")
    shown+=("${line/$'\\t'/  -- }")
  done < <(env %(autocomplete_var)s=lines_zsh %(prog_name)s \\
               "${(@Q)words[2,CURRENT-1]}" "$compstate[quote]$PREFIX" 2>/dev/null)
  if (( $#names )); then
    compadd -V names -l -d shown -a names
  else
    _files
  fi
}

if [[ $funcstack[1] == _%(prog_name)s ]]; then
  %(complete_func)s "$@"
else
  compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH: Final = """
function %(complete_func)s
    set -l words (commandline -opc)
    set -e words[1]
    set -l word (commandline -ct)
    set -l offers (env %(autocomplete_var)s=lines_fish %(prog_name)s $words "$word" 2>/dev/null)
    if set -q offers[1]
        printf '%%s\\n' $offers
    else
        __fish_complete_path (string unescape -- $word; or printf '%%s\\n' $word)
    end
end

complete --command %(prog_name)s --no-files --keep-order --arguments "(%(complete_func)s)"
"""

_NEEDS_NO_QUOTES: Final = re.compile(r"[\w-]+")
"""A word that PowerShell accepts without quotes."""
_CUT: Final = ":::"
"""Separates the name from its description in Typer's function for PowerShell."""


def register() -> None:
    """Let ``--show-completion`` and ``--install-completion`` use the functions above."""
    COMPLETION_SCRIPTS.update(bash=_BASH, zsh=_ZSH, fish=_FISH)


def answer(command: ClickCommand, program: str, arguments: Sequence[str]) -> int:
    """Answer a shell's function and return the exit code.

    Args:
        command: all commands.
        program: its name.
        arguments: for bash the line up to the cursor and its ``COMP_WORDBREAKS``; for zsh and fish
            the words up to the cursor without the command; only the last one keeps its quotes.
    """
    register()
    kind, _, shell = os.environ[SHELL_VARIABLE].partition("_")
    if kind == "source":
        script = get_completion_script(prog_name=program, complete_var=SHELL_VARIABLE, shell=shell)
        return _write([script])
    writer = _WRITERS.get(f"{kind}_{shell}")
    if writer is None:
        note(f"completion has changed; run {program} --install-completion again")
        return ExitCode.USAGE
    return _write(writer(command, arguments or [""]))


def _write(lines: Sequence[str]) -> int:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return ExitCode.COMPLETE


def _offers(command: ClickCommand, words: Sequence[str], incomplete: str) -> list[tuple[str, str]]:
    """List words that fit at the cursor, each with a description or an empty text.

    The list is empty if a word before the cursor is invalid, because TAB must not print errors.
    """
    try:
        before = words[:-1] if words and words[-1].startswith("-") else words
        # An option without its value would end the parsing, and arguments are read after options.
        context = resolve_context(command, {}, command.name or "", list(before))
        source, value = resolve_incomplete(context, list(words), incomplete)
        if incomplete == "=":  # a word of its own: only bash splits there, but not in what it sends
            value = incomplete
        items = source.shell_complete(context, value)
    except (SnapshotError, typer.TyperException, typer.Exit, OSError):
        return []
    option = incomplete.removesuffix(value) if value else incomplete  # --option=
    described = [(f"{option}{item.value}", _on_one_line(item.help or "")) for item in items]
    return [offer for offer in described if _can_be_shown(offer[0])]


def _on_one_line(text: str) -> str:
    description = printable(" ".join(text.split()))
    return description if _can_be_shown(description) else ""


def _can_be_shown(text: str) -> bool:
    """Return whether a text is one line without control characters that stdout can encode."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return printable(text) == text


def _for_bash(command: ClickCommand, arguments: Sequence[str]) -> list[str]:
    line = parse(*arguments[:2])
    names = [name for name, _ in _offers(command, line.words[1:], line.incomplete)]
    return continuations(line, names)


def _described(command: ClickCommand, arguments: Sequence[str]) -> list[str]:
    """Write one name per line, followed by a tab and its description."""
    *words, raw = arguments
    offers = _offers(command, words, parse(raw).incomplete)
    return [f"{name}\t{text}" if text else name for name, text in offers]


def _for_fish(command: ClickCommand, arguments: Sequence[str]) -> list[str]:
    """Leave out names that start with a tilde: fish 3.6 inserts them unquoted, as a home folder."""
    is_quoted = arguments[-1][:1] in ("'", '"')
    return [line for line in _described(command, arguments) if is_quoted or line[:1] != "~"]


def _for_powershell(command: ClickCommand, _: Sequence[str]) -> list[str]:
    """Write what Typer's function for PowerShell reads; not tested in PowerShell."""
    words = split_arg_string(os.environ.get("_TYPER_COMPLETE_ARGS", ""))[1:]
    raw = os.environ.get("_TYPER_COMPLETE_WORD_TO_COMPLETE", "")
    offers = _offers(command, words[:-1] if raw else words, parse(raw).incomplete)
    return [
        f"{_powershell_word(name)}{_CUT}{text or ' '}" for name, text in offers if _CUT not in name
    ]


def _powershell_word(name: str) -> str:
    """Quote for PowerShell: each quote is doubled, including typographic ones."""
    if _NEEDS_NO_QUOTES.fullmatch(name):
        return name
    return "'" + re.sub("['‘’‚‛]", r"\g<0>\g<0>", name) + "'"


_WRITERS: Final[dict[str, Any]] = {
    "lines_bash": _for_bash,
    "lines_zsh": _described,
    "lines_fish": _for_fish,
    "complete_powershell": _for_powershell,
    "complete_pwsh": _for_powershell,
}
