"""Credentials by their place: in a block that announces them, or in a line of a password file.

A block is what YAML indents, what follows a header in brackets (TOML, INI), and the innermost
braces of JSON or Python. The names inside are ordinary (``wandb``, ``db``), the block's is not.
"""

import re
from collections.abc import Iterator
from typing import Final

from clearml_snapshot.exporter.redaction.gates import gate
from clearml_snapshot.exporter.redaction.names import (
    Claim,
    claim_of,
    looks_issued,
    looks_typed,
    named_secret,
)

Span = tuple[int, int]
"""Start and end of what is to be replaced."""

_INDENTED: Final = re.compile(
    r"^(?P<indent>[ \t]{0,64})(?:- )?[\"']?(?P<name>[\w.\-]{2,64})[\"']?:[ \t]*\r?\n"
    r"(?=(?P=indent)[ \t])",
    re.MULTILINE,
)
_HEADED: Final = re.compile(
    r"^[ \t]*\[{1,2}(?P<name>[\w.\-]{2,64})\]{1,2}[ \t]*\r?\n", re.MULTILINE
)
_BRACED: Final = re.compile(
    r"(?<![\w.\-])(?P<name>[\w.\-]{2,64}+)\\?[\"']?\s{0,3}(?:=>|[:=])?\s{0,8}\{(?=[^{}])"
)
_BODY: Final = re.compile(r"[^{}]*")
_HEADER: Final = re.compile(r"^[ \t]*\[", re.MULTILINE)
_ENTRY: Final = re.compile(
    r"(?<![\w.\-])(?P<name>[\w.\-]{1,64}+)\\?[\"']?[ \t]{0,8}(?:=>|[:=])[ \t]{0,8}"
    r"(?:\\?[\"'](?P<quoted>[^\"'\n\\]{1,512})\\?[\"']|(?P<bare>[^\s\"'`,;{}\[\]]{1,512}))"
)
_ITEM: Final = re.compile(
    r"^[ \t]{0,80}- [\"']?(?P<bare>[^\s\"':]{8,512})[\"']?[ \t]*$", re.MULTILINE
)
_PGPASS: Final = re.compile(
    r"^[ \t]{0,80}(?:\*|[\w\-]{1,64}(?:\.[\w\-]{1,64}){0,8}):(?P<port>\*|\d{2,5}):"
    r"[^\s:]{1,64}:[^\s:]{1,64}:"
    r"(?P<secret>[^\s\"']{3,256})[ \t]*$",
    re.MULTILINE,
)
_DATABASES: Final = re.compile(r"\*|1433|1521|3306|33060|5[34]\d\d|643[0-9]|27017|6379|50000")
"""Ports of databases: behind one of these the fifth part is the password."""
_ANNOUNCE: Final = gate(("secret", "cred", "pass", "pwd", "key", "token", "auth", "conn"))


def placed(text: str) -> Iterator[Span]:
    """Find values that a block or the form of their line makes credentials."""
    if "\n" in text or "{" in text:
        yield from _in_blocks(text)
    if text.count(":") >= 4:
        yield from _in_password_files(text)


def _in_blocks(text: str) -> Iterator[Span]:
    if text.isascii() and _ANNOUNCE.search(text.lower()) is None:
        return
    for pattern, end_of in ((_INDENTED, _dedent), (_HEADED, _next_header), (_BRACED, _brace)):
        position = 0
        while match := pattern.search(text, position):
            position = match.end()
            if claim_of(match["name"]) >= Claim.SURE or _is_manifest(text, match["name"]):
                end = end_of(text, match)
                yield from _entries(match["name"], text[position:end], position)
                position = end


def _is_manifest(text: str, name: str) -> bool:
    """Return whether this is the data of a Kubernetes Secret."""
    return name in {"data", "stringData"} and "kind: Secret" in text


def _dedent(text: str, header: re.Match[str]) -> int:
    """Return the end of the lines that are indented more than the header."""
    deeper = re.compile(rf"(?:{re.escape(header['indent'])}[ \t][^\n]*(?:\n|\Z)|[ \t]*\r?\n)*")
    match = deeper.match(text, header.end())
    return match.end() if match else header.end()


def _next_header(text: str, header: re.Match[str]) -> int:
    match = _HEADER.search(text, header.end())
    return match.start() if match else len(text)


def _brace(text: str, header: re.Match[str]) -> int:
    match = _BODY.match(text, header.end())
    return match.end() if match else header.end()


def _entries(block: str, body: str, start: int) -> Iterator[Span]:
    """Find the values in a block, each under the block's name and its own."""
    for match in _ENTRY.finditer(body):
        group = "bare" if match["quoted"] is None else "quoted"
        if not match[group].startswith(".") and named_secret(
            f"secrets/{block}/{match['name']}", match[group]
        ):
            yield start + match.start(group), start + match.end(group)
    for match in _ITEM.finditer(body):
        if looks_issued(match["bare"]) or looks_typed(match["bare"]):
            yield start + match.start("bare"), start + match.end("bare")


def _in_password_files(text: str) -> Iterator[Span]:
    """Find passwords in lines of ``host:port:database:user:password``."""
    for match in _PGPASS.finditer(text):
        value = match["secret"]
        if _DATABASES.fullmatch(match["port"]) or looks_issued(value):
            yield match.span("secret")
