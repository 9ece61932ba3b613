"""Finds names with values in a text: assignments, arguments, XML, YAML, tables.

A form only identifies the name and the value; `names` decides.
"""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from clearml_snapshot.exporter.redaction.commands import command_spans
from clearml_snapshot.exporter.redaction.gates import gate
from clearml_snapshot.exporter.redaction.names import (
    Claim,
    claim_of,
    looks_issued,
    looks_random,
    looks_strong,
    looks_typed,
    named_secret,
)
from clearml_snapshot.exporter.redaction.words import KEYS, PASSWORDS, SECRETS

Span = tuple[int, int]
"""Start and end of what is to be replaced."""

_WORDS: Final = sorted(w for w in PASSWORDS | SECRETS | KEYS if w.isascii() and len(w) > 2)
_PARTS: Final = (
    *("pass", "pwd", "secret", "token", "key", "cred", "auth", "conn", "dsn", "cookie"),
    *("community", "encrypt", "clear", "salt", "verifier", "assertion"),
)
_STEMS: Final = gate(
    [
        *_PARTS,
        *("jwt", r"pw(?![a-z])", r"pat(?![a-z])", r"sas(?![a-z])", "psw"),
        *(r"otp(?![a-z])", *_WORDS),
    ]
)
"""Every ASCII name that announces a credential contains one of these."""

_QUOTED: Final = (
    r"(?:[bBrRuUfF]?(?P<quote>\\*(?:\"\"\"|\'\'\'|[\"'`])|&quot;|&#34;)(?P<quoted>(?:(?!(?P=quote))[^\n]){1,512})"
    r"|(?P<bare>[^\s\"'`,;&]{1,512}))"
)
_ASSIGNMENT: Final = re.compile(
    r"(?<![\w.\-])(?P<name>(?:(?i:api|access|secret|private|auth|pass|mot de|palavra|kata) )?"
    r"[\w.\-]++)"
    r"(?:\\*[\"'`\]]|&quot;|&#34;|\[\w{0,8}\]){0,2}"
    r"(?P<sep>[ \t]{0,3}(?:=>|->|<<?-|::?=|[?+]=|[=:：＝|]|%3[Dd])[ \t]{0,8}"
    r"(?:[|>][+\-]?[ \t]*(?=\r?\n))?(?:\r?\n[ \t]+(?:- )?|\r?\n(?=[\"'])"
    r"|[\[(]\s{0,9}(?=[\"']))?| *\t[\t ]*)" + _QUOTED
)
_ARGUMENT: Final = re.compile(
    r"(?<![\w\-])--?(?P<name>[A-Za-z][\w.\-]*+)(?:\\*[\"'`])?"
    r"(?:[ \t]{0,3},\s{0,3}|[ \t]+(?:\\\n[ \t]*)?)"
    r"(?:[bBrRuUfF]?(?P<quote>\\*[\"'`])(?!-)(?P<quoted>(?:(?!(?P=quote))[^\n]){1,512})"
    r"|(?P<bare>(?!-)[^\s\"'`,\])]{1,512}))"
)
_ELEMENT: Final = re.compile(
    r"(?:<|&lt;)(?:[\w.\-]{1,64}:)?(?P<name>[\w.\-]{1,64})(?:\s[^<>\n]{0,200})?(?:>|&gt;)\s{0,9}"
    r"(?:<!\[CDATA\[)?"
    r"(?P<bare>[^<>\s](?:(?!&lt;)[^<>\n]){0,511}?)(?:\]\]>)?\s{0,9}(?:<|&lt;)/"
)
_DECLARED: Final = re.compile(
    r"(?<!\w)(?P<name>\w[\w.\-]*+)(?:[?!]?:[ ]{0,3}|[ ])(?:&'?\w{0,8} )?"
    r"[A-Za-z*&\[][\w.<>\[\]|&*?]{0,40}"
    r"[ ]{0,3}:?=[ ]{0,3}[bBrRuUfF]?[\"'`](?P<bare>[^\"'`\n]{1,512})[\"'`]"
)
"""With a type, as in Rust, TypeScript, Go, Kotlin and Python."""
_CALLED: Final = re.compile(
    r"(?<!\w)(?P<name>[A-Za-z][\w.\-]{2,127}+)\(\s{0,3}[bBrRuUfF]?[\"'`](?P<bare>[^\s\"'`]{5,512})[\"'`]\s{0,3}\)"
)
_ASKING: Final = re.compile(
    "get|read|fetch|load|find|has|is|ask|generate|from|require|lookup|input|check|hash|verify"
    "|validate|create|new|delete|remove|count|parse|list|describe|encode|decode|add|use"
)
"""First words of functions that take the name of a secret, and not the secret."""
_LISTED: Final = re.compile(
    r"<(?P<tag>[\w\-]{1,24})>(?P<name>[\w.\- ]{1,128})</(?P=tag)>\s{0,20}"
    r"<(?:string|data|[\w\-]{0,16}value)>\s{0,9}(?P<bare>[^<>\s]{1,512})"
)
_NAMED_VALUE: Final = re.compile(
    r"(?i)\b(?:name|key|id|property|param|parameter|setting|option|field|variable|var)\\*[\"']?\s{0,3}[:=]\s{0,3}\\*[\"']?(?P<name>[\w.\-]{1,128})\\*[\"']?"
    r"\s{0,40}[,;]?\s{0,40}(?:\\*[\"']?(?:\w{0,12}_?value|content|default|data|v)\\*[\"']?\s{0,3}[:=]\s{0,3}|>)"
    + _QUOTED
)
_BESIDE: Final = re.compile(
    r"(?:[\"']|\b)(?P<name>[A-Za-z][\w.\-]{2,63}+)(?:[\"'][ \t]{0,3},[ \t]{0,3}(?=[\"'])|[ ]{1,16})"
    rf"(?={_QUOTED})"
)
_SAID: Final = re.compile(
    r"\b(?P<name>[A-Za-z][\w.\-]{1,63}+) (?:is|was|ist|war|lautet|est|es|er) "
    r"[\"'`]?(?P<bare>[^\s\"'`]{5,512})"
)
_ATTRIBUTE: Final = re.compile(
    r"<(?:\w{1,24}:)?(?P<name>[\w.\-]{1,64}+)\s[^<>\n]{0,200}?\b(?:value|content|val)\s?=\s?"
    r"[\"'](?P<bare>[^\s\"'<>]{1,512})"
)
_BACK: Final = re.compile(r"[\w.\-]{0,127}[A-Za-z]")
"""The rest of a name before the part that was found."""
_PROSE: Final = re.compile(
    "and|are|as|at|by|can|cannot|during|flag|for|from|if|in|into|is|may|must|not|of|on|once|option|or"
    "|should|that|the|then|to|was|when|where|which|will|with|without"
)
"""What follows an option in a sentence about it."""
_LONG: Final = 128
"""Longer values are examined only once, so that a hostile text cannot take for ever."""
_PLAIN_WORD: Final = re.compile(r"[a-z]+[.!?)]*")


def named(text: str) -> Iterator[Span]:
    """Find values whose name, in the same text, announces a credential."""
    folded = text.lower()
    yield from command_spans(text, folded)
    if text.isascii() and _STEMS.search(folded) is None:
        return
    starts = _name_starts(text, folded) if text.isascii() else None
    yield from _assigned(text)
    yield from _called(text, starts)
    for match in _everywhere(text, folded, starts):
        if claim_of(match["name"]) is Claim.NONE or _PROSE.fullmatch(_value(match)):
            continue
        if _is_value(text, match) and named_secret(match["name"], _value(match)):
            yield match.span(_group(match))
    for match in chain(_at(starts, _BESIDE, text), _at(starts, _SAID, text)):
        if claim_of(match["name"]) >= Claim.LIKELY and _is_chosen(match["name"], _value(match)):
            yield match.span(_group(match))


def _everywhere(text: str, folded: str, starts: list[int] | None) -> Iterator[re.Match[str]]:
    """Yield the names and values that may be in a text, except for assignments."""
    if "-" in text:
        yield from _ARGUMENT.finditer(text)
    if "<" in text or "&lt;" in text:
        for pattern in (_ELEMENT, _LISTED, _ATTRIBUTE):
            yield from pattern.finditer(text)
    if "=" in text:
        yield from _at(starts, _DECLARED, text)
    if "value" in folded or "content" in folded or ">" in text:
        yield from _NAMED_VALUE.finditer(text)


def _name_starts(text: str, folded: str) -> list[int]:
    """Return where names begin that may announce a credential.

    In ASCII texts they are few, and finding them is faster than trying each word.
    """
    starts: list[int] = []
    for stem in _STEMS.finditer(folded):
        begin = _BACK.match(text[max(0, stem.start() - _LONG) : stem.start()][::-1])
        start = stem.start() - (begin.end() if begin else 0)
        if not starts or start > starts[-1]:
            starts.append(start)
    return starts


def _at(starts: list[int] | None, pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Return the matches at these positions, or everywhere."""
    if starts is None:
        return pattern.finditer(text)
    matches = (pattern.match(text, start) for start in starts)
    return (match for match in matches if match is not None)


def _called(text: str, starts: list[int] | None) -> Iterator[Span]:
    """Find arguments of functions whose name announces a credential: ``setPassword("…")``."""
    if "(" not in text:
        return
    for match in _at(starts, _CALLED, text):
        name, value = match["name"].rpartition(".")[2], match["bare"]
        if _ASKING.match(name.lower()) or claim_of(name) < Claim.SURE:
            continue
        if named_secret(name, value) and (looks_issued(value) or looks_typed(value)):
            yield match.span("bare")


def _group(match: re.Match[str]) -> str:
    is_quoted = "quoted" in match.re.groupindex and match["quoted"] is not None
    return "quoted" if is_quoted else "bare"


def _value(match: re.Match[str]) -> str:
    return str(match[_group(match)])


def _is_value(text: str, match: re.Match[str]) -> bool:
    """Return whether it is a value, and not the name of the next line of a nested text."""
    if _group(match) == "quoted":
        return True
    return not (_value(match).endswith(":") or text[match.end() : match.end() + 2] in (": ", ":\n"))


def _assigned(text: str) -> Iterator[Span]:
    """Find ``name = value`` in its many forms; a value may hold further ones."""
    position = 0
    while match := _ASSIGNMENT.search(text, position):
        position = max(match.start(_group(match)), match.end("name") + 1)
        claim = claim_of(match["name"])
        if claim is Claim.NONE or _is_prose(match) or not _is_value(text, match):
            continue
        if named_secret(match["name"], _value(match)):
            start, end = match.span(_group(match))
            end = _end_of_block(text, match) or end
            yield start, end
            position = end
        elif len(_value(match)) > _LONG and claim >= Claim.LIKELY:
            position = match.end(_group(match))


def _is_prose(match: re.Match[str]) -> bool:
    """Return whether it is a sentence with a colon: ``Key: patience``."""
    sep = match["sep"]
    if match["quoted"] is not None or not _PLAIN_WORD.fullmatch(match["bare"]):
        return False
    if "\n" in sep:
        return "|" not in sep and ">" not in sep
    is_open = sep.endswith((": ", ":\t")) or "|" in sep or sep[0] == "\t"
    return is_open and "pass" not in match["name"].lower()


def _end_of_block(text: str, match: re.Match[str]) -> int | None:
    """Return the end of a YAML block that is the value."""
    sep = match["sep"]
    if "\n" not in sep or ("|" not in sep and ">" not in sep):
        return None
    indent = sep.rpartition("\n")[2]
    end = text.find("\n", match.end())
    while end != -1 and text.startswith(indent, end + 1):
        end = text.find("\n", end + 1)
    return len(text) if end == -1 else end


def _is_chosen(name: str, value: str) -> bool:
    """Return whether a name and a value with only a space between them are more than two words."""
    if claim_of(name) < Claim.SURE:
        return looks_strong(value) or looks_random(value)
    if claim_of(name) is Claim.SURE and name.isalpha() and name.islower():
        return looks_strong(value) or looks_random(value)
    return named_secret(name, value) and (looks_issued(value) or looks_typed(value))
