"""Credentials in what people typed become ``<redacted>``, because a snapshot folder travels.

The formats that issuers publish come from detect-secrets; what it lacks, or matches only in part,
stands here; what a parameter's name says is `redact_names`. Only the detectors' expressions are
used, never their ``analyze_line`` or ``verify``: those ask the issuer over the network whether a
key works. Nothing here logs, and no exception can carry a value.
"""

import base64
import binascii
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Final

from clearml_snapshot.exporter.redact_names import looks_random, named_secret

REDACTED: Final = "<redacted>"

_Span = tuple[int, int]


@dataclass(frozen=True)
class _Rule:
    """One format: ``group`` of ``pattern`` is the secret if ``check`` agrees."""

    markers: tuple[str, ...]
    """Literal parts, one of which every match has: `in` is 20 times cheaper than a search."""
    pattern: re.Pattern[str]
    group: int = 0
    check: Callable[[str], bool] | None = None
    fold: bool = False
    """Look for the markers in the lower-cased text."""


def _decodes_to_pair(value: str) -> bool:
    """Say whether this is HTTP basic auth: base64 of ``user:password``."""
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def _decodes_to_keys(value: str) -> bool:
    """Say whether this is base64 of a JSON object with a key in it, as Neptune's tokens are."""
    try:
        text = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        return False
    return any(word in text.lower() for word in (b"key", b"token", b"secret", b"password"))


def _is_jwt(value: str) -> bool:
    from detect_secrets.plugins.jwt import JwtTokenDetector

    return bool(JwtTokenDetector.is_formally_valid(".".join(value.split(".")[:2])))


def _no_prose(value: str) -> bool:
    return len(value) >= 20 or (any(c.isdigit() for c in value) and any(c.isalpha() for c in value))


def _one_piece(value: str) -> bool:
    """Say whether a part of 20 characters and more is no word: ``sk-learn-…`` is none."""
    parts = re.split(r"[-_]", value)
    return any(len(part) >= 20 and not part.isalpha() for part in parts) or looks_random(value)


def _long_user(value: str) -> bool:
    """Say whether the user of ``https://user@host`` is a token; a plain name is none."""
    return looks_random(value) or bool(re.fullmatch(r"\w*\d\w*", value) and len(value) >= 20)


def _clearml_pair(value: str) -> bool:
    access, secret = re.split(r"[^A-Za-z0-9]+", value, maxsplit=1)
    return (
        any(c.isdigit() for c in access)
        and any(c.isalpha() for c in access)
        and looks_random(secret)
    )


def _rule(markers: str, pattern: str) -> _Rule:
    return _Rule(tuple(markers.split()), re.compile(pattern))


_B64 = r"[A-Za-z0-9_\-]"
_USER_PASSWORD = (
    # Up to the last @ before a slash; else, not for a port, a password that holds a slash. The
    # bounds here and below keep hostile texts from taking quadratic time.
    r"://([^\s:/?#@\[\"'<>]{0,128}:(?:[^\s/?#\"'<>]{0,256}|(?!\d{1,5}[/?#])[^\s\"'<>@]{0,256}))"
    r"@(?!sha\d+:)(?=[^\s@/?#])"
)
_OWN_RULES: Final = (
    _Rule(
        ("PRIVATE KEY", "PuTTY-User-Key"),
        re.compile(
            r"-{4,5} ?BEGIN [A-Z0-9 ]*PRIVATE KEY"
            r".*?(?:-{4,5} ?END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-{4,5}|\Z)"
            r"|PuTTY-User-Key-File-\d.*?(?:Private-MAC: *\S+|\Z)",
            re.DOTALL,
        ),
    ),
    _Rule(("://",), re.compile(_USER_PASSWORD), group=1),
    _Rule(("://",), re.compile(r"https?://([^\s:/?#@\"'<>]{1,256})@"), group=1, check=_long_user),
    _Rule(
        ("eyJ",),
        re.compile(rf"(?<!{_B64})eyJ{_B64}{{6,}}=*\.{_B64}+=*(?:\.{_B64}*){{0,3}}"),
        check=_is_jwt,
    ),
    _Rule(
        ("eyJ",),
        re.compile(r"(?<![A-Za-z0-9+/_\-])eyJ[A-Za-z0-9+/_\-]{40,}=*"),
        check=_decodes_to_keys,
    ),
    _Rule(
        ("bearer",),
        re.compile(r"(?i)\bbearer[ \t:]+([A-Za-z0-9._~+/\-]{8,}=*)"),
        group=1,
        check=_no_prose,
        fold=True,
    ),
    _Rule(
        ("basic",),
        re.compile(r"(?i)\bbasic[ \t]+([A-Za-z0-9+/]{6,}=*)"),
        group=1,
        check=_decodes_to_pair,
        fold=True,
    ),
    _Rule(
        ("authorization",),
        re.compile(
            r"(?i)\bauthorization[\"']?\s*[:=]\s*[\"']?"
            r"(?:(?:bearer|basic|digest|token|apikey|key)\s+)?([^\s\"',]{6,})"
        ),
        group=1,
        fold=True,
    ),
    _Rule(
        ("=",),
        re.compile(
            r"(?i)[?&;](?:sig|signature|x-amz-signature|x-amz-credential|x-amz-security-token"
            r"|x-goog-signature|x-goog-credential|awsaccesskeyid|access_token|token|api_?key|auth"
            r"|password)=([^&\s#\"'<>]{6,})"
        ),
        group=1,
    ),
    _Rule(
        ("webhook",),
        re.compile(r"https?://[^\s\"'<>]{1,200}?/webhooks?[^\s\"'<>/]{0,40}/([^\s\"'<>]{16,})"),
        group=1,
    ),
    _Rule(
        ("password", "token", "secret", "key"),
        re.compile(
            r"(?i)\b(?:password|passwd|passphrase|token|secret|api key|access key|secret key)"
            r"\s+(?:is|was)\s+[\"'`]?([^\s\"'`]{6,})"
        ),
        group=1,
        check=_no_prose,
        fold=True,
    ),
    _Rule(("password",), re.compile(r"\blogin\s+\S+\s+password\s+(\S+)"), group=1),
    _Rule(
        (),  # a ClearML key and its secret beside each other have nothing literal
        re.compile(
            r"(?<![A-Za-z0-9])(?=[A-Z0-9]{20})([A-Z0-9]{20,40}[^A-Za-z0-9]{1,4}[A-Za-z0-9\-_]{40,80})"
            r"(?![A-Za-z0-9])"
        ),
        check=_clearml_pair,
    ),
    _Rule(("sk-",), re.compile(rf"(?<![A-Za-z0-9])sk-{_B64}{{20,}}"), check=_one_piece),
    _rule("hf_ api_org_", r"(?<![A-Za-z0-9])(?:hf|api_org)_[A-Za-z0-9]{30,}"),
    _rule("AIza", rf"(?<![A-Za-z0-9])AIza{_B64}{{35,}}"),
    _rule("ya29.", rf"(?<![A-Za-z0-9])ya29\.{_B64}{{20,}}"),
    _rule("GOCSPX-", rf"(?<![A-Za-z0-9])GOCSPX-{_B64}{{20,}}"),
    _rule("github_pat_", r"(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{22,}"),
    _rule("AKCp", r"(?<![A-Za-z0-9])AKCp[A-Za-z0-9]{50,}"),
    _rule("dapi", r"(?<![A-Za-z0-9])dapi[0-9a-f]{32}(?:-\d)?(?![A-Za-z0-9])"),
    _rule("dckr_pat_", rf"(?<![A-Za-z0-9])dckr_pat_{_B64}{{20,}}"),
    _rule("nvapi-", rf"(?<![A-Za-z0-9])nvapi-{_B64}{{40,}}"),
    _rule("gsk_ xai- r8_", r"(?<![A-Za-z0-9])(?:gsk_|xai-|r8_)[A-Za-z0-9]{37,}"),
    _rule("hvs.", rf"(?<![A-Za-z0-9])hvs\.{_B64}{{20,}}"),
    _rule("xapp-", r"(?<![A-Za-z0-9])xapp-\d-[A-Za-z0-9\-]{20,}"),
    _rule("k_test_", r"(?<![A-Za-z0-9])[rs]k_test_[A-Za-z0-9]{24,}"),
    _rule("whsec_", r"(?<![A-Za-z0-9])whsec_[A-Za-z0-9+/=]{24,}"),
)
"""What detect-secrets lacks, matches in part (JWT, private keys), or finds too seldom."""

_DETECTORS: Final[dict[str, tuple[str, ...]]] = {
    "aws.AWSKeyDetector": ("A3T", "ABIA", "ACCA", "AKIA", "ASIA", "aws", "AWS"),
    "github_token.GitHubTokenDetector": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    "gitlab_token.GitLabTokenDetector": ("gl", "GR1348941"),
    "mailchimp.MailchimpDetector": ("-us",),
    "openai.OpenAIDetector": ("T3BlbkFJ",),
    "pypi_token.PypiTokenDetector": ("pypi-",),
    "sendgrid.SendGridDetector": ("SG.",),
    "slack.SlackDetector": ("xox", "hooks.slack.com"),
    "square_oauth.SquareOAuthDetector": ("sq0csp-",),
    "stripe.StripeDetector": ("k_live_",),
    "twilio.TwilioKeyDetector": ("AC", "SK"),
}
"""Detectors by issuer. Left out, because they hit hyperparameters: both entropy detectors, public
IP addresses, IBM and Softlayer (any 44 characters), Artifactory (``APARTMENTS2020``). Azure, npm
and keywords are covered by `redact_names`; basic auth and private keys by wider rules above."""

_SHAPED: Final = {
    "discord.DiscordBotTokenDetector": (".",),
    "telegram_token.TelegramBotTokenDetector": (":",),
}
"""Detectors whose shape some run names share: the match must also look random."""


def _random_tail(value: str) -> bool:
    return looks_random(re.split(r"[.:]", value)[-1])


@lru_cache(maxsize=1)
def _rules() -> tuple[_Rule, ...]:
    """Load the detectors on first use: their import takes 0.3 s and diverts warnings."""
    rules = list(_OWN_RULES)
    for detectors, check in ((_DETECTORS, None), (_SHAPED, _random_tail)):
        for path, markers in detectors.items():
            module, name = path.split(".")
            detector = getattr(import_module(f"detect_secrets.plugins.{module}"), name)
            rules.extend(_Rule(markers, pattern, check=check) for pattern in detector.denylist)
    # detect-secrets diverts all warnings of the process into its logging on import.
    logging.captureWarnings(False)
    return tuple(rules)


_NAME_STEM: Final = re.compile(
    r"(?i)pass|pwd|pw\b|secret|token|key|cred|auth|conn|dsn|cookie|jwt|sas"
)
_ASSIGNMENT: Final = re.compile(
    r"(?<![\w.\-])(?P<name>(?:(?i:api|access|secret|private|auth) )?[\w.\-]++)[\"'`\]]{0,2}"
    r"(?P<sep>[ \t]{0,3}(?:=>|:=|=|:)[ \t]{0,3})"
    r"(?:(?P<quote>[\"'`])(?P<quoted>(?:(?!(?P=quote))[^\n]){1,512})|(?P<bare>[^\s\"'`,;&]{1,512}))"
)
_OPTION: Final = re.compile(r"(?<!\S)--(?P<name>[\w\-]+)[ \t]+(?P<bare>(?!-)[^\s\"']+)")
_PLAIN_WORD: Final = re.compile(r"[a-z]+[.!?)]*")
_EXTENDS: Final = re.compile(r"[A-Za-z0-9_\-]*")


def _rule_spans(text: str) -> Iterator[_Span]:
    folded = text.lower()
    for rule in _rules():
        where = folded if rule.fold else text
        if rule.markers and not any(marker in where for marker in rule.markers):
            continue
        for match in rule.pattern.finditer(text):
            secret = match.group(rule.group)
            if REDACTED not in secret and (rule.check is None or rule.check(secret)):
                yield from _whole(text, match.span(rule.group))


def _whole(text: str, span: _Span) -> Iterator[_Span]:
    """Widen to the end of the word; in the middle of a word it is chance, not a key."""
    start, end = span
    if start and text[start - 1].isalnum() and text[start].isalnum():
        return
    tail = _EXTENDS.match(text, end) if text[end - 1].isalnum() else None
    yield start, tail.end() if tail else end


def _named_spans(text: str) -> Iterator[_Span]:
    """Find ``name = value``, ``"name": "value"`` and ``--name value`` inside a text."""
    for match in _ASSIGNMENT.finditer(text):
        group = "quoted" if match["quoted"] is not None else "bare"
        value, name = match[group], match["name"]
        prose = group == "bare" and match["sep"].endswith((": ", ":\t"))
        if prose and "pass" not in name.lower() and _PLAIN_WORD.fullmatch(value):
            continue
        if named_secret(name, value):
            yield match.span(group)
    for match in _OPTION.finditer(text):
        if named_secret(match["name"], match["bare"]):
            yield match.span("bare")


def _replace(text: str, spans: list[_Span]) -> tuple[str, int]:
    """Put one mark for each run of overlapping spans."""
    pieces: list[str] = []
    position = count = 0
    for start, end in sorted(spans):
        if start >= position or not count:
            pieces += (text[position:start], REDACTED)
            count += 1
        position = max(position, end)
    return "".join(pieces) + text[position:], count


_PASSES: Final = 8
"""More than any text has needed."""


def _again(redact: Callable[[str], tuple[str, int]], text: str) -> tuple[str, int]:
    """Redact until nothing is found: a mark makes visible what the secret before it had hidden.

    So that ``pack``, which looks once more, finds nothing in what an export left.
    """
    total = 0
    for _ in range(_PASSES):
        safe, count = redact(text)
        if safe == text:
            break
        text, total = safe, total + count
    return text, total


def _redact_text(text: str) -> tuple[str, int]:
    return _again(_redact_once, text)


def _redact_once(text: str) -> tuple[str, int]:
    if len(text) < 8:
        return text, 0
    spans = list(_rule_spans(text))
    if _NAME_STEM.search(text):
        spans += _named_spans(text)
    return _replace(text, spans) if spans else (text, 0)


def _redact_parameter(name: str, value: str) -> tuple[str, bool]:
    if named_secret(name, value):
        return REDACTED, True
    text, count = _redact_text(value)
    if count and named_secret(name, text):
        return REDACTED, True
    return text, count > 0


_cached_parameter = lru_cache(maxsize=65536)(_redact_parameter)
_CACHED_LENGTH: Final = 256
"""Longer values seldom repeat, and the cache would hold them for the whole run."""

_URL_USER: Final = re.compile(r"^((?:[A-Za-z][\w+.\-]*)://)([^\s/?#]*)@")


def _redact_url(url: str) -> tuple[str, int]:
    return _again(_redact_url_once, url)


def _redact_url_once(url: str) -> tuple[str, int]:
    """Take out the password, or a token that stands as the user; ``git@`` and names may stay."""
    match = _URL_USER.match(url)
    if match and (":" in match[2] or (match[1].startswith("http") and _long_user(match[2]))):
        rest, count = _redact_text(url[match.end() :])
        return f"{match[1]}{REDACTED}@{rest}", count + 1
    return _redact_text(url)


class Redactor:
    """Replaces what looks like a credential by ``<redacted>`` and counts it.

    Attributes:
        keep_secrets: store everything as it is; nothing is counted.
        count: secrets replaced so far (a parameter counts once).
    """

    def __init__(self, keep_secrets: bool = False) -> None:
        self.keep_secrets = keep_secrets
        self.count = 0

    def parameter(self, section: str, name: str, value: str | None) -> tuple[str | None, bool]:
        """Give the value to store for a parameter, and whether it was redacted.

        A name that announces a credential redacts the whole value, anything else its secret parts.
        """
        if self.keep_secrets or not value:
            return value, False
        cached = len(value) <= _CACHED_LENGTH
        redact = _cached_parameter if cached else _redact_parameter
        stored, found = redact(f"{section}/{name}", value)
        self.count += found
        return stored, found

    def text(self, value: str | None) -> tuple[str | None, int]:
        """Give a comment or message without its secret parts, and how many there were."""
        if self.keep_secrets or not value:
            return value, 0
        stored, found = _redact_text(value)
        self.count += found
        return stored, found

    def url(self, value: str | None) -> tuple[str | None, int]:
        """Give a repository URL without password or token, and how many there were.

        ``git@github.com:x/y.git``, ``ssh://git@host`` and ``https://name@host`` stay as they are.
        """
        if self.keep_secrets or not value:
            return value, 0
        stored, found = _redact_url(value)
        self.count += found
        return stored, found
