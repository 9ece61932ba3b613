"""Programs that take a password as an argument without a name.

One line per group of programs that share an option: the programs, the option and what follows it.
The source of each is the program's own manual page.
"""

import re
from collections.abc import Iterator
from typing import Final

from clearml_snapshot.exporter.redaction.logins import NEXT, is_reference, login_spans

Span = tuple[int, int]
"""Start and end of what is to be replaced."""

_PAIR: Final = r"[\"']?[^\s:\"']{1,128}:(?P<secret>[^\s\"']{1,256})"
_ATTACHED: Final = r"[\"']?(?P<secret>[^\s\"'\-][^\s\"']{2,255})"
_PROGRAMS: Final = (
    # programs, options, what follows, manual page
    ("curl", r"-u|-U|--user|--proxy-user", r"[ =]?[ \t]*" + _PAIR, "man:curl(1)"),
    ("https?|httpie", r"-a|--auth", r"[ =]?[ \t]*" + _PAIR, "man:http(1)"),
    ("mysql\\w*|mariadb\\w*", r"-p", _ATTACHED, "man:mysql(1)"),
    ("sshpass", r"-p", NEXT, "man:sshpass(1)"),
    (
        "(?:docker|podman|buildah|skopeo|oras|crane|helm|az|oc|cf|nerdctl|snow\\w*)",
        r"-p",
        NEXT,
        "man:docker-login(1)",
    ),
    ("redis-cli|valkey-cli", r"-a|--pass", NEXT, "man:redis-cli(1)"),
    ("mongo\\w*", r"-p", NEXT, "man:mongosh(1)"),
    (
        "sqlcmd|bcp|osql|isql|tsql",
        r"-P",
        NEXT,
        "https://learn.microsoft.com/sql/tools/sqlcmd/sqlcmd-utility",
    ),
    ("ldap\\w+", r"-w", NEXT, "man:ldapsearch(1)"),
    (
        "smb\\w+|rpcclient|net",
        r"-U|--user",
        r"[ =]?[ \t]*[\"']?[^\s%\"']{1,128}%(?P<secret>[^\s\"']{1,256})",
        "man:smbclient(1)",
    ),
    (
        "cqlsh",
        r"-p",
        NEXT,
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
        NEXT,
        "https://min.io/docs/minio/linux/reference/minio-mc/mc-alias-set.html",
    ),
    (
        "rclone",
        r"config[ \t]+(?:create|update|password)[ \t][^\n|;&]{0,300}?[ \t]"
        r"(?:pass|password|secret_access_key|client_secret|token)(?=[ \t=])",
        NEXT,
        "https://rclone.org/commands/rclone_config_create/",
    ),
    (
        "net",
        r"use(?:[ \t]+\S+){1,2}?",
        r"[ \t]+(?P<secret>[^\s/\\\"'][^\s\"']{0,255})(?=[ \t]+/user)",
        "https://learn.microsoft.com/windows-server/administration/windows-commands/net-use",
    ),
    ("7za?|7zr|rar|unrar", r"-p", _ATTACHED, "man:7z(1)"),
    ("zip|unzip", r"-P", NEXT, "man:zip(1)"),
    (
        "openssl",
        r"-passin|-passout|-pass|-k",
        r"[ =]?[ \t]*(?:pass:)?(?P<secret>(?!file:|env:|fd:|stdin)[^\s\"']{1,256})",
        "man:openssl-passphrase-options(1)",
    ),
    ("htpasswd", r"-\w*b\w*[ \t]+\S+[ \t]+\S+", NEXT, "man:htpasswd(1)"),
    ("net", r"user[ \t]+[^\s/]+(?=[ \t])", NEXT, "https://learn.microsoft.com/windows-server"),
    ("ssh-keygen", r"-N|-P", NEXT, "man:ssh-keygen(1)"),
    ("snmp\\w+", r"-A|-X", NEXT, "man:snmpcmd(1)"),
    ("redis-cli|valkey-cli", r"AUTH", NEXT, "https://redis.io/docs/latest/commands/auth/"),
    ("rabbitmqctl", r"add_user[ \t]+\S+|change_password[ \t]+\S+", NEXT, "man:rabbitmqctl(8)"),
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


def command_spans(text: str, folded: str) -> Iterator[Span]:
    """Find the passwords of commands.

    Args:
        text: the text.
        folded: the same in lower case.
    """
    yield from login_spans(text, folded)
    if " " not in text or _ANY_PROGRAM.search(text) is None:
        return
    for command in _COMMANDS:
        for match in command.finditer(text):
            group = "quoted" if match.groupdict().get("quoted") else "secret"
            if _logs_in(match) and not is_reference(match[group]):
                yield match.span(group)


def _logs_in(match: re.Match[str]) -> bool:
    return not _NEEDS_LOGIN.match(match[0]) or _LOGIN.search(match[0]) is not None
