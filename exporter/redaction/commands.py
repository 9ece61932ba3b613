"""Programs that take a password as an argument without a name.

One program a line: those that share an option, the option, and what follows it. The source of each
is the program's own manual page.
"""

import re
from collections.abc import Iterator
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
_ATTACHED: Final = r"[\"']?(?P<secret>[^\s\"'\-][^\s\"']{2,255})"
_NEXT: Final = (
    r"[ =]?[ \t]*(?:[\"'](?P<quoted>[^\"'\n]{1,256})[\"']|(?P<secret>[^\s\"'\-][^\s\"']{0,255}))"
)

_PROGRAMS: Final = (
    # programs, options, what follows, manual page
    ("curl", r"-u|-U|--user|--proxy-user", r"[ =]?[ \t]*" + _PAIR, "man:curl(1)"),
    ("https?|httpie", r"-a|--auth", r"[ =]?[ \t]*" + _PAIR, "man:http(1)"),
    ("mysql\\w*|mariadb\\w*", r"-p", _ATTACHED, "man:mysql(1)"),
    ("sshpass", r"-p", _NEXT, "man:sshpass(1)"),
    (
        "(?:docker|podman|buildah|skopeo|oras|crane|helm|az|oc|cf|nerdctl|snow\\w*)",
        r"-p",
        _NEXT,
        "man:docker-login(1)",
    ),
    ("redis-cli|valkey-cli", r"-a|--pass", _NEXT, "man:redis-cli(1)"),
    ("mongo\\w*", r"-p", _NEXT, "man:mongosh(1)"),
    (
        "sqlcmd|bcp|osql|isql|tsql",
        r"-P",
        _NEXT,
        "https://learn.microsoft.com/sql/tools/sqlcmd/sqlcmd-utility",
    ),
    ("ldap\\w+", r"-w", _NEXT, "man:ldapsearch(1)"),
    (
        "smb\\w+|rpcclient|net",
        r"-U|--user",
        r"[ =]?[ \t]*[\"']?[^\s%\"']{1,128}%(?P<secret>[^\s\"']{1,256})",
        "man:smbclient(1)",
    ),
    (
        "cqlsh",
        r"-p",
        _NEXT,
        "https://cassandra.apache.org/doc/latest/cassandra/managing/tools/cqlsh.html",
    ),
    ("lftp", r"-u|-\w*u", r"[ \t]*[^\s,]{1,128},(?P<secret>[^\s\"']{1,256})", "man:lftp(1)"),
    ("[xw]l?freerdp3?|sdl-freerdp3?", r"/p:", r"(?P<secret>[^\s\"']{1,256})", "man:xfreerdp(1)"),
    (
        "sqlplus|rman|expdp|impdp|sqlldr",
        r"[^\s/@\"'\-]{1,128}/",
        r"(?P<secret>[^\s/@\"']{1,256})@",
        "https://docs.oracle.com/en/database/oracle/oracle-database/23/sqpug/starting-SQL-Plus.html",
    ),
    (
        "mc|mcli",
        r"(?:alias[ \t]+set|config[ \t]+host[ \t]+add)(?:[ \t]+[^\s\-]\S*){3}(?=[ \t])",
        _NEXT,
        "https://min.io/docs/minio/linux/reference/minio-mc/mc-alias-set.html",
    ),
    (
        "rclone",
        r"config[ \t]+(?:create|update|password)[ \t][^\n|;&]{0,300}?[ \t]"
        r"(?:pass|password|secret_access_key|client_secret|token)(?=[ \t=])",
        _NEXT,
        "https://rclone.org/commands/rclone_config_create/",
    ),
    (
        "net",
        r"use(?:[ \t]+\S+){1,2}?",
        r"[ \t]+(?P<secret>[^\s/\\\"'][^\s\"']{0,255})(?=[ \t]+/user)",
        "https://learn.microsoft.com/windows-server/administration/windows-commands/net-use",
    ),
    ("7za?|7zr|rar|unrar", r"-p", _ATTACHED, "man:7z(1)"),
    ("zip|unzip", r"-P", _NEXT, "man:zip(1)"),
    (
        "openssl",
        r"-passin|-passout|-pass|-k",
        r"[ =]?[ \t]*(?:pass:)?(?P<secret>(?!file:|env:|fd:|stdin)[^\s\"']{1,256})",
        "man:openssl-passphrase-options(1)",
    ),
    ("htpasswd", r"-\w*b\w*[ \t]+\S+[ \t]+\S+", _NEXT, "man:htpasswd(1)"),
    ("net", r"user[ \t]+[^\s/]+(?=[ \t])", _NEXT, "https://learn.microsoft.com/windows-server"),
    ("ssh-keygen", r"-N|-P", _NEXT, "man:ssh-keygen(1)"),
    ("snmp\\w+", r"-A|-X", _NEXT, "man:snmpcmd(1)"),
    ("redis-cli|valkey-cli", r"AUTH", _NEXT, "https://redis.io/docs/latest/commands/auth/"),
    ("rabbitmqctl", r"add_user[ \t]+\S+|change_password[ \t]+\S+", _NEXT, "man:rabbitmqctl(8)"),
    (
        "wandb",
        r"login(?:[ \t]+--(?:relogin|cloud|verify))*",
        r"[ \t]+(?P<secret>[A-Za-z0-9_\-]{32,})",
        "https://docs.wandb.ai/ref/cli/wandb-login",
    ),
    (
        "vault",
        r"login|operator[ \t]+unseal",
        r"[ \t]+(?P<secret>[A-Za-z0-9_.+/=\-]{20,})",
        "https://developer.hashicorp.com/vault/docs/commands/login",
    ),
)
_LOGIN: Final = re.compile(r"\blogin\b|\bsql\b")
_NEEDS_LOGIN: Final = re.compile(
    r"(?:docker|podman|buildah|skopeo|oras|crane|helm|az|oc|cf|nerdctl)\b"
)
"""Programs whose ``-p`` is a port or a project unless they log in."""

_COMMANDS: Final = tuple(
    re.compile(rf"(?<![\w.\-])(?:{programs})(?=[ \t])[^\n|;&]{{0,300}}?[ \t](?:{options}){follows}")
    for programs, options, follows, _manual in _PROGRAMS
)
_ANY_PROGRAM: Final = re.compile(
    rf"(?<![\w.\-])(?:{'|'.join(programs for programs, *_ in _PROGRAMS)})[ \t]"
)
_OTHERS: Final = (
    re.compile(
        r"(?i)convertto-securestring[ \t]+(?:-string[ \t]+)?[\"'](?P<secret>[^\"'\n]{1,256})[\"']"
    ),
    re.compile(r"(?i)\bset_?password\(\s{0,3}[\"'](?P<secret>[^\"'\n]{1,256})[\"']"),
    re.compile(
        r"\blogin\(\s{0,3}(?:key|token|api_key)\s{0,3}=\s{0,3}[\"'](?P<secret>[^\"'\n]{8,256})[\"']"
    ),
    re.compile(
        r"\blogin\(\s{0,3}[\"'][^\"'\n]{1,128}[\"']\s{0,3},\s{0,3}"
        r"[\"'](?P<secret>[^\"'\n]{4,256})[\"']"
    ),
    re.compile(
        r"(?i)\benable[ \t]+(?:secret|password)[ \t]+(?:\d[ \t]+)?(?P<secret>[^\s\"']{6,256})"
    ),
    re.compile(
        r"(?i)\blogin[ \t]*[:=][ \t]*[^\s/]{1,64}[ \t]*/[ \t]*"
        r"(?P<secret>(?=\S{0,256}\d)(?=\S{0,256}[a-z])\S{6,256})"
    ),
    re.compile(
        r"\"username\"\s{0,3}:\s{0,3}\"[^\"\n]{0,128}\"\s{0,3},\s{0,3}\"key\"\s{0,3}:\s{0,3}"
        r"\"(?P<secret>[^\"\n]{16,256})\""
    ),
    re.compile(
        r"(?i)\b(?:identified[ \t]+(?:with[ \t]+\S+[ \t]+)?by|password)[ \t]+(?:password[ \t]+)?"
        r"'(?P<secret>[^'\n]{1,256})'"
    ),
    re.compile(
        r"(?i)\bpassword[ \t]+for[ \t]+[^\s=]{1,128}[ \t]*=[ \t]*'(?P<secret>[^'\n]{1,256})'"
    ),
    re.compile(
        r"(?i)\bauth\s{0,3}=\s{0,3}\(\s{0,3}[\"'][^\"'\n]{0,128}[\"']\s{0,3},\s{0,3}"
        r"[\"'](?P<secret>[^\"'\n]{1,256})[\"']"
    ),
    re.compile(
        r"(?i)\becho[ \t]+[\"']?(?P<secret>[^\s\"'|]{4,256})[\"']?[ \t]*\|[ \t]*"
        r"(?:sudo[ \t]+(?:-\w+[ \t]+)*-S\b|\S+[ \t]+login\b[^\n]*--password-stdin)"
    ),
)
"""SQL, requests, PowerShell, logins in Python, kaggle.json, and a password that is piped."""
_GUARDED: Final = (
    re.compile(r"(?<!\S)(?:-U|--user)[ =]?[ \t]*[^\s%]{1,128}%(?P<secret>[^\s\"']{4,256})"),
    re.compile(r"(?i)(?<![\w.])(?:stats[ \t]+)?auth(?:_basic)?[ \t]+" + _PAIR),
    re.compile(
        r"(?i)\b\w{0,24}(?:connect|connection|auth|credentials?|pdo|log_?in|sign_?in)\("
        r"(?:[^\s\"',()]{1,64},\s{0,3}|[\"'][^\"'\n]{1,128}[\"']\s{0,3},\s{0,3}(?=[\"'][^\"'\n]{1,128}[\"']\s{0,3},))?"
        r"\s{0,3}[\"'][^\"'\n]{1,128}[\"']\s{0,3},\s{0,3}[\"'](?P<secret>[^\s\"']{4,256})[\"']"
    ),
    re.compile(
        r"\bconfig[ \t]+(?:set[ \t]+)?\S{0,128}(?:[Tt]oken|basic|[Aa]uth|[Pp]assword)\S{0,64}"
        r"(?:[ \t]+\w{1,64})?[ \t]+(?P<secret>[^\s\"']{5,256})"
    ),
    re.compile(
        r"\bsecret[ \t]+(?:set|put|create|add)[ \t]+[\w\-]{1,64}[ \t]+"
        r"(?P<secret>[^\s\"'\-]\S{4,255})"
    ),
    re.compile(
        r"(?<!\S)curl[ \t][^\n|;&]{0,300}?(?:-b|--cookie)[ \t]+[\"']?[^\s=]{1,64}="
        r"(?P<secret>[^\s;\"']{8,256})"
    ),
    re.compile(r"(?i)(?<!\S)/ru[ \t]+\S{1,64}[ \t]+/rp[ \t]+(?P<secret>\S{3,256})"),
    re.compile(
        r"(?<!\S)(?:-[uU]|-{1,2}user(?:name)?)[ =]?[ \t]*[^\s\-]\S{0,127}[^\n|;&]{0,200}?"
        r"(?<=[ \t])-[pPwa]" + _NEXT
    ),
    re.compile(r"(?<!\S)(?:-[uU]|-{1,2}user(?:name)?)[ =]?[ \t]*" + _PAIR),
    re.compile(
        r"(?i)\buser(?:name)?[ \t]+[\"']?[^\s\"']{1,128}[\"']?[^\n]{0,80}?\bpass(?:word)?" + _NEXT
    ),
    re.compile(
        r"(?i)\bsecrets?[ \t]+(?:set|put|create|add|update)[ \t][^\n\"'|;&]{0,128}"
        r"[\"'](?P<secret>[^\s\"']{5,256})[\"']"
    ),
    re.compile(
        r"\becho[ \t]+(?:-\w+[ \t]+)*[\"']?(?P<secret>[^\s\"'|]{5,256})[\"']?"
        r"[ \t]*\|[ \t]*(?:sudo[ \t]+)?(?:cryptsetup|gpg2?|passwd|chpasswd|kinit|su|smbpasswd"
        r"|ssh-add|openssl|restic|keyctl)\b"
    ),
    re.compile(r"(?i)\bpragma[ \t]+(?:re)?key[ \t]*=[ \t]*[\"'](?P<secret>[^\"'\n]{3,256})[\"']"),
    re.compile(r"jdbc:oracle:\w{2,8}:[^\s/@\"']{1,64}/(?P<secret>[^\s/@\"']{1,256})@"),
    re.compile(r":(?:25|465|587|2525)[ \t]+[\w.@\-]{1,128}:(?P<secret>[^\s\"']{4,256})"),
    re.compile(r"(?<!\S)[\w.@\-]{1,64}[ \t]+\*[ \t]+\"(?P<secret>[^\s\"]{4,256})\"[ \t]+\*"),
)
"""Of any program: a user and what follows ``-p``; only what does not look like a word is taken."""
_STRONG: Final = (
    re.compile(r"(?<!\S)-(?:p|P|w|W|pw|pass)[ =]?[\"']?(?P<secret>[^\s\"']{7,64})"),
    re.compile(r"(?<!\S)/p(?:ass(?:word)?)?:[\"']?(?P<secret>[^\s\"']{7,64})"),
    re.compile(r"\bsend[ \t]+(?:--[ \t]+)?\"(?P<secret>[^\s\"\\]{7,64})\\[rn]\""),
    re.compile(
        r"\b(?:echo|printf)[ \t]+(?:-\w+[ \t]+)*[\"']?[\w.\-]{1,64}:"
        r"(?P<secret>[^\s\"'|]{7,64})[\"']?[ \t]*\|"
    ),
)
"""Of any program: what follows ``-p``, what a script types; only what looks like a password."""
_SHORT_OPTION: Final = re.compile(
    r"(?<!\S)-[akpstwAKPSTW][ =]?[\"']?(?P<secret>[A-Za-z0-9_\-+/=]{28,256})(?![^\s\"'])"
)
_STRONG_MARKS: Final = literal_gate(
    (" -p", " -w", " -a", " -k", " -s", " -t", " /p", "send ", "echo ", "printf ")
)
_GUARD_MARKS: Final = literal_gate(
    (
        "user",
        "-u ",
        "-u=",
        "secret",
        "echo",
        "-u\t",
        "auth",
        "connect(",
        "connection(",
        "login(",
        "log_in(",
        "pdo(",
        "signin(",
        "sign_in(",
        "credential",
        "config ",
        "curl ",
        "/ru ",
        "pragma",
        "jdbc:",
        ":25 ",
        ":465 ",
        ":587 ",
        ":2525 ",
        '* "',
    )
)
_OTHER_MARKS: Final = literal_gate(
    (
        "identified",
        "password",
        "auth",
        "echo",
        "securestring",
        "login",
        "username",
        "enable",
    )
)


def command_spans(text: str, folded: str) -> Iterator[Span]:
    """Find the passwords of commands.

    Args:
        text: the text.
        folded: the same in lower case.
    """
    is_command = " " in text and _ANY_PROGRAM.search(text) is not None
    others = _OTHERS if _OTHER_MARKS.search(folded) else ()
    for command in (*(_COMMANDS if is_command else ()), *others):
        for match in command.finditer(text):
            group = "quoted" if match.groupdict().get("quoted") else "secret"
            if _logs_in(match) and not match[group].startswith(("$", "<", "{", "%")):
                yield match.span(group)
    may_be = " " in text or "(" in text or "jdbc:" in text
    if may_be and _GUARD_MARKS.search(folded):
        yield from _guarded(text)
    if " " in text and _STRONG_MARKS.search(folded):
        yield from _strong(text)


def _strong(text: str) -> Iterator[Span]:
    for pattern in _STRONG:
        for match in pattern.finditer(text):
            if looks_strong(match["secret"]):
                yield match.span("secret")
    for match in _SHORT_OPTION.finditer(text):
        if looks_random(match["secret"]):
            yield match.span("secret")


def _guarded(text: str) -> Iterator[Span]:
    for pattern in _GUARDED:
        for match in pattern.finditer(text):
            group = "quoted" if match.groupdict().get("quoted") else "secret"
            if _is_chosen(match[group]):
                yield match.span(group)


def _is_chosen(value: str) -> bool:
    """Whether it is neither a word nor numbers such as ports."""
    return any(c.isalpha() for c in value) and (looks_typed(value) or looks_issued(value))


def _logs_in(match: re.Match[str]) -> bool:
    return not _NEEDS_LOGIN.match(match[0]) or _LOGIN.search(match[0]) is not None
