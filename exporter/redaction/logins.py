"""Finds passwords beside users in any program's form: commands, calls, SQL, scripts, files.

Each form has its check: where other values are common, only those that look like a password match.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from clearml_snapshot.exporter.redaction.gates import literal_gate
from clearml_snapshot.exporter.redaction.names import (
    looks_issued,
    looks_random,
    looks_strong,
    looks_typed,
)

Span = tuple[int, int]
"""Start and end of what is to be replaced."""

_PAIR: Final = r"[\"']?[^\s:\"']{1,128}:(?P<secret>[^\s\"']{1,256})"
NEXT: Final = (
    r"[ =]?[ \t]*(?:[\"'](?P<quoted>[^\"'\n]{1,256})[\"']|(?P<secret>[^\s\"'\-][^\s\"']{0,255}))"
)
"""What follows an option: quoted, or up to the next space."""


@dataclass(frozen=True, eq=False)
class _Form:
    """The place of a password, in group ``secret`` or ``quoted``."""

    marks: tuple[str, ...]
    """Literal parts in lower case, one of which is in every match."""
    pattern: re.Pattern[str]
    check: Callable[[str], bool]


def is_reference(value: str) -> bool:
    """Return whether it only refers to the password: ``$PASSWORD``, ``<password>``."""
    return value.startswith(("$", "<", "{", "%"))


def _is_given(value: str) -> bool:
    return not is_reference(value)


def _is_chosen(value: str) -> bool:
    """Return whether it is neither a word nor numbers such as ports."""
    return any(c.isalpha() for c in value) and (looks_typed(value) or looks_issued(value))


def _is_drawn_or_strong(value: str) -> bool:
    return looks_random(value) or looks_strong(value)


_FORMS: Final = (
    _Form(
        ("securestring",),
        re.compile(
            r"(?i)convertto-securestring[ \t]+(?:-string[ \t]+)?"
            r"[\"'](?P<secret>[^\"'\n]{1,256})[\"']"
        ),
        _is_given,
    ),
    _Form(
        ("password(",),
        re.compile(r"(?i)\bset_?password\(\s{0,3}[\"'](?P<secret>[^\"'\n]{1,256})[\"']"),
        _is_given,
    ),
    _Form(
        ("login(",),
        re.compile(
            r"\blogin\(\s{0,3}(?:key|token|api_key)\s{0,3}=\s{0,3}[\"'](?P<secret>[^\"'\n]{8,256})[\"']"
        ),
        _is_given,
    ),
    _Form(
        ("login(",),
        re.compile(
            r"\blogin\(\s{0,3}[\"'][^\"'\n]{1,128}[\"']\s{0,3},\s{0,3}"
            r"[\"'](?P<secret>[^\"'\n]{4,256})[\"']"
        ),
        _is_given,
    ),
    _Form(
        ("enable",),
        re.compile(
            r"(?i)\benable[ \t]+(?:secret|password)[ \t]+(?:\d[ \t]+)?(?P<secret>[^\s\"']{6,256})"
        ),
        _is_given,
    ),
    _Form(
        ("login",),
        re.compile(
            r"(?i)\blogin[ \t]*[:=][ \t]*[^\s/]{1,64}[ \t]*/[ \t]*"
            r"(?P<secret>(?=\S{0,256}\d)(?=\S{0,256}[a-z])\S{6,256})"
        ),
        _is_given,
    ),
    _Form(
        ('username"',),
        re.compile(
            r"\"username\"\s{0,3}:\s{0,3}\"[^\"\n]{0,128}\"\s{0,3},\s{0,3}\"key\"\s{0,3}:\s{0,3}"
            r"\"(?P<secret>[^\"\n]{16,256})\""
        ),
        _is_given,
    ),
    _Form(
        (
            "identified",
            "password",
        ),
        re.compile(
            r"(?i)\b(?:identified[ \t]+(?:with[ \t]+\S+[ \t]+)?by|password)[ \t]+"
            r"(?:password[ \t]+)?'(?P<secret>[^'\n]{1,256})'"
        ),
        _is_given,
    ),
    _Form(
        ("password for",),
        re.compile(
            r"(?i)\bpassword[ \t]+for[ \t]+[^\s=]{1,128}[ \t]*=[ \t]*'(?P<secret>[^'\n]{1,256})'"
        ),
        _is_given,
    ),
    _Form(
        ("auth",),
        re.compile(
            r"(?i)\bauth\s{0,3}=\s{0,3}\(\s{0,3}[\"'][^\"'\n]{0,128}[\"']\s{0,3},\s{0,3}"
            r"[\"'](?P<secret>[^\"'\n]{1,256})[\"']"
        ),
        _is_given,
    ),
    _Form(
        ("echo",),
        re.compile(
            r"(?i)\becho[ \t]+[\"']?(?P<secret>[^\s\"'|]{4,256})[\"']?[ \t]*\|[ \t]*"
            r"(?:sudo[ \t]+(?:-\w+[ \t]+)*-S\b|\S+[ \t]+login\b[^\n]*--password-stdin)"
        ),
        _is_given,
    ),
    _Form(
        (
            "-u",
            "--user",
        ),
        re.compile(r"(?<!\S)(?:-U|--user)[ =]?[ \t]*[^\s%]{1,128}%(?P<secret>[^\s\"']{4,256})"),
        _is_chosen,
    ),
    _Form(
        (
            "auth ",
            "auth_basic",
            "auth\t",
        ),
        re.compile(r"(?i)(?<![\w.])(?:stats[ \t]+)?auth(?:_basic)?[ \t]+" + _PAIR),
        _is_chosen,
    ),
    _Form(
        (
            "connect",
            "auth(",
            "credential",
            "pdo(",
            "login(",
            "log_in(",
            "signin(",
            "sign_in(",
        ),
        re.compile(
            r"(?i)(?:connect|connection|auth|credentials?|pdo|log_?in|sign_?in)\("
            r"(?:[^\s\"',()]{1,64},\s{0,3}|[\"'][^\"'\n]{1,128}[\"']\s{0,3},\s{0,3}(?=[\"'][^\"'\n]{1,128}[\"']\s{0,3},))?"
            r"\s{0,3}[\"'][^\"'\n]{1,128}[\"']\s{0,3},\s{0,3}[\"'](?P<secret>[^\s\"']{4,256})[\"']"
        ),
        _is_chosen,
    ),
    _Form(
        ("config",),
        re.compile(
            r"\bconfig[ \t]+(?:set[ \t]+)?\S{0,128}(?:[Tt]oken|basic|[Aa]uth|[Pp]assword)\S{0,64}"
            r"(?:[ \t]+\w{1,64})?[ \t]+(?P<secret>[^\s\"']{5,256})"
        ),
        _is_chosen,
    ),
    _Form(
        (
            "secret ",
            "secret\t",
        ),
        re.compile(
            r"\bsecret[ \t]+(?:set|put|create|add)[ \t]+[\w\-]{1,64}[ \t]+"
            r"(?P<secret>[^\s\"'\-]\S{4,255})"
        ),
        _is_chosen,
    ),
    _Form(
        ("curl ",),
        re.compile(
            r"(?<!\S)curl[ \t][^\n|;&]{0,300}?(?:-b|--cookie)[ \t]+[\"']?[^\s=]{1,64}="
            r"(?P<secret>[^\s;\"']{8,256})"
        ),
        _is_chosen,
    ),
    _Form(
        ("/ru ",),
        re.compile(r"(?i)(?<!\S)/ru[ \t]+\S{1,64}[ \t]+/rp[ \t]+(?P<secret>\S{3,256})"),
        _is_chosen,
    ),
    _Form(
        (
            "-u",
            "-user",
        ),
        re.compile(
            r"(?<!\S)(?:-[uU]|-{1,2}user(?:name)?)[ =]?[ \t]*[^\s\-]\S{0,127}[^\n|;&]{0,200}?"
            r"(?<=[ \t])-[pPwa]" + NEXT
        ),
        _is_chosen,
    ),
    _Form(
        (
            "-u",
            "-user",
        ),
        re.compile(r"(?<!\S)(?:-[uU]|-{1,2}user(?:name)?)[ =]?[ \t]*" + _PAIR),
        _is_chosen,
    ),
    _Form(
        (
            "user ",
            "username ",
            "user\t",
        ),
        re.compile(
            r"(?i)\buser(?:name)?[ \t]+[\"']?[^\s\"']{1,128}[\"']?[^\n]{0,80}?\bpass(?:word)?"
            + NEXT
        ),
        _is_chosen,
    ),
    _Form(
        (
            "secret ",
            "secrets ",
        ),
        re.compile(
            r"(?i)\bsecrets?[ \t]+(?:set|put|create|add|update)[ \t][^\n\"'|;&]{0,128}"
            r"[\"'](?P<secret>[^\s\"']{5,256})[\"']"
        ),
        _is_chosen,
    ),
    _Form(
        ("echo ",),
        re.compile(
            r"\becho[ \t]+(?:-\w+[ \t]+)*[\"']?(?P<secret>[^\s\"'|]{5,256})[\"']?"
            r"[ \t]*\|[ \t]*(?:sudo[ \t]+)?(?:cryptsetup|gpg2?|passwd|chpasswd|kinit|su|smbpasswd"
            r"|ssh-add|openssl|restic|keyctl)\b"
        ),
        _is_chosen,
    ),
    _Form(
        ("pragma",),
        re.compile(
            r"(?i)\bpragma[ \t]+(?:re)?key[ \t]*=[ \t]*[\"'](?P<secret>[^\"'\n]{3,256})[\"']"
        ),
        _is_chosen,
    ),
    _Form(
        ("jdbc:",),
        re.compile(r"jdbc:oracle:\w{2,8}:[^\s/@\"']{1,64}/(?P<secret>[^\s/@\"']{1,256})@"),
        _is_chosen,
    ),
    _Form(
        (
            ":25 ",
            ":465 ",
            ":587 ",
            ":2525 ",
        ),
        re.compile(r":(?:25|465|587|2525)[ \t]+[\w.@\-]{1,128}:(?P<secret>[^\s\"']{4,256})"),
        _is_chosen,
    ),
    _Form(
        ('* "',),
        re.compile(r"(?<!\S)[\w.@\-]{1,64}[ \t]+\*[ \t]+\"(?P<secret>[^\s\"]{4,256})\"[ \t]+\*"),
        _is_chosen,
    ),
    _Form(
        (
            " -p",
            " -w",
            "-p",
            "-w",
        ),
        re.compile(r"(?<!\S)-(?:p|P|w|W|pw|pass)[ =:]?[\"']?(?P<secret>[^\s\"']{7,64})"),
        looks_strong,
    ),
    _Form(
        ("/p",),
        re.compile(r"(?<!\S)/p(?:ass(?:word)?)?:[\"']?(?P<secret>[^\s\"']{7,64})"),
        looks_strong,
    ),
    _Form(
        ("send ",),
        re.compile(r"\bsend[ \t]+(?:--[ \t]+)?\"(?P<secret>[^\s\"\\]{7,64})\\[rn]\""),
        looks_strong,
    ),
    _Form(
        (
            "echo ",
            "printf ",
        ),
        re.compile(
            r"\b(?:echo|printf)[ \t]+(?:-\w+[ \t]+)*[\"']?[\w.\-]{1,64}:"
            r"(?P<secret>[^\s\"'|]{7,64})[\"']?[ \t]*\|"
        ),
        looks_strong,
    ),
    _Form(
        (
            "passwd",
            "password",
            "passphrase",
            "auth-pass",
            "login",
            "adduser",
            "useradd",
            "add_user",
            "user add",
            "user_add",
        ),
        re.compile(
            r"(?i)(?:passw(?:or)?d|passphrase|auth-pass|[ +]login|user[ _]?add|add[ _]?user)"
            r"(?:[ \t]+[^\s\"']{1,64}){1,4}?[ \t]+[\"']?(?P<secret>[^\s\"']{7,64})(?![^\s\"'])"
        ),
        looks_strong,
    ),
    _Form(
        (
            "user",
            "login",
            "account",
            "admin",
        ),
        re.compile(
            r"(?i)(?:users?|login|account|admin)[\"']?[ \t]{0,3}[=: ][ \t]{0,3}[\"']?"
            r"[\w.@\-]{1,64}:(?:CL:)?(?P<secret>[^\s:\"']{7,64})(?![^\s\"'])"
        ),
        looks_strong,
    ),
    _Form(
        ("user_",),
        re.compile(r"\buser_\w{1,64}=[\"'](?P<secret>[^\s\"']{7,64})[\"']"),
        looks_strong,
    ),
    _Form(
        ("://",),
        re.compile(
            r"(?m)^[ \t]{0,16}\w{1,16}://\S{1,200}[ \t]+\S{1,64}[ \t]+"
            r"(?P<secret>[^\s\"']{7,64})$"
        ),
        looks_strong,
    ),
    _Form(
        (" -a", " -k", " -p", " -s", " -t", " -w"),
        re.compile(
            r"(?<!\S)-[akpstwAKPSTW][ =]?[\"']?(?P<secret>[A-Za-z0-9_\-+/=]{28,256})(?![^\s\"'])"
        ),
        looks_random,
    ),
    _Form(
        ("', '", '", "', "','", '","'),
        re.compile(
            r"\w\(\s{0,3}(?:[\"'][^\"'\n]{1,64}[\"']\s{0,3},\s{0,3}){2}"
            r"[\"'](?P<secret>[^\s\"']{7,64})[\"']"
        ),
        looks_strong,
    ),
    _Form(
        ("sign(",),
        re.compile(r"\bsign\([^()\n]{1,200},\s{0,3}[\"'](?P<secret>[^\s\"']{7,256})[\"']"),
        _is_drawn_or_strong,
    ),
    _Form(("<<<",), re.compile(r"<<<[ \t]{0,3}[\"']?(?P<secret>[^\s\"']{7,64})"), looks_strong),
)
_MARKED: Final = tuple((mark, form) for form in _FORMS for mark in form.marks)
_MARKS: Final = literal_gate(mark for form in _FORMS for mark in form.marks)


def login_spans(text: str, folded: str) -> Iterator[Span]:
    """Find the passwords beside a user, in a text and the same in lower case."""
    if _MARKS.search(folded) is None:
        return
    for form in dict.fromkeys(form for mark, form in _MARKED if mark in folded):
        for match in form.pattern.finditer(text):
            group = "quoted" if match.groupdict().get("quoted") else "secret"
            if form.check(match[group]):
                yield match.span(group)
