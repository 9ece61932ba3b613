"""Finds credentials in a text by their form: in addresses, headers, assignments and arguments.

`formats` finds what has an issuer's format; `names` decides whether a name announces a credential.
Nothing here logs, and no exception contains a value.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from clearml_snapshot.exporter.own_keys import REDACTED
from clearml_snapshot.exporter.redaction.blocks import placed
from clearml_snapshot.exporter.redaction.formats import issued
from clearml_snapshot.exporter.redaction.gates import literal_gate
from clearml_snapshot.exporter.redaction.names import looks_random, looks_strong
from clearml_snapshot.exporter.redaction.pairs import named
from clearml_snapshot.exporter.redaction.prefixes import dotted, is_drawn, prefixed
from clearml_snapshot.exporter.redaction.words import ID_WORDS

Span = tuple[int, int]
"""Start and end of what is to be replaced."""


@dataclass(frozen=True, eq=False)
class _Rule:
    """One format: ``group`` of ``pattern`` is the secret if ``check`` agrees."""

    markers: tuple[str, ...]
    """Literal parts, one of which is in every match (ignoring case): `in` is 20 times faster."""
    pattern: re.Pattern[str]
    group: int = 0
    check: Callable[[str], bool] | None = None


def _decodes_to_pair(value: str) -> bool:
    """Return whether this is HTTP basic auth: base64 of ``user:password``."""
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def _decodes_to_keys(value: str) -> bool:
    """Return whether this is base64 of a JSON object with a key in it, as Neptune's tokens are."""
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


_WORDLIKE: Final = re.compile(r"[A-Za-z]?[a-z]{2,}\d{0,3}|[A-Z]{2,}\d{0,3}|v?\d{1,4}")
_LONG: Final = 30
"""From this length on, half as many changes prove that a word was generated."""
_LONGEST_ID: Final = 27
"""Maximum length of a random id: a UUID has 22 characters, a KSUID 27."""
_NO_ID: Final = frozenset(("secret", "token", "key", "apikey", "live", "prod", "sk", "pat"))
_WORD_INSIDE: Final = re.compile(r"(?:[A-Z][a-z]{4,}\d*){2}")
"""A name of a class: ``Int8DynActInt4WeightQuantizer``."""


def _random_part(value: str) -> bool:
    """Return whether a part is random and does not follow a word for ids."""
    first, *parts = re.split(r"[_\-.]", value)
    if first.lower() in ID_WORDS and _NO_ID.isdisjoint(parts):
        parts = [part for part in parts if len(part) > _LONGEST_ID]
    return any(map(_is_chance, parts)) or _is_chance(_without_words(parts))


def _is_chance(part: str) -> bool:
    if _WORD_INSIDE.search(part):
        return False
    return looks_random(part) or (len(part) >= _LONG and is_drawn(part) and not part.islower())


def _without_words(parts: list[str]) -> str:
    """Concatenate what follows the last word, because a key may contain separators."""
    last = max((at for at, part in enumerate(parts) if _WORDLIKE.fullmatch(part)), default=-1)
    return "-".join(parts[last + 1 :])


def _hex_or_random(value: str) -> bool:
    """Return whether the end, after a word for key, is hexadecimal or random."""
    if any(len(part) >= 20 and is_drawn(part) for part in re.split(r"[_\-.]", value)[1:]):
        return True
    return _random_part(value) or re.search(r"(?:[0-9a-f]{32}|-[0-9a-f]{12})$", value) is not None


def _is_given_out(value: str) -> bool:
    """Return whether an issuer generated it: hexadecimal, or random."""
    return looks_random(value) or re.fullmatch(r"(?=\w*\d)[0-9a-fA-F]{32,128}", value) is not None


def _is_secret_half(value: str) -> bool:
    """Return whether its letters and digits are random, and not only hexadecimal."""
    if re.fullmatch(r"[0-9a-fA-F\-]+", value):
        return False
    return any(len(part) >= _LONG // 2 and is_drawn(part) for part in re.split("[-_]", value))


def _one_piece(value: str) -> bool:
    """Return whether a part of 20 or more characters is not a word; ``sk-learn-…`` is words."""
    parts = re.split(r"[-_]", value)
    return any(len(part) >= 20 and not part.isalpha() for part in parts) or looks_random(value)


def long_user(value: str) -> bool:
    """Return whether the user of ``https://user@host`` is a token, not a plain name."""
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
    # Up to the last @ before a slash; else, unless it is a port, a password that contains a slash.
    # The bounds here and below keep hostile texts from taking quadratic time.
    r"://([^\s:/?#@\[\"'<>]{0,128}:(?:[^\s/?#\"'<>]{0,256}|(?!\d{1,5}[/?#])[^\s\"'<>@]{0,256}))"
    r"@(?!sha\d+:)(?=[^\s@/?#])"
)
_RULES: Final = (
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
    _Rule(("://",), re.compile(r"https?://([^\s:/?#@\"'<>]{1,256})@"), group=1, check=long_user),
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
    ),
    _Rule(
        ("token ", "key "),
        re.compile(
            r"(?i)\b(?:token|(?:api|secret|access)[ _\-]?key)[ \t]+([A-Za-z0-9._~+/\-]{24,}=*)"
        ),
        group=1,
        check=looks_random,
    ),
    _Rule(
        ("basic",),
        re.compile(r"(?i)\bbasic[ \t]+([A-Za-z0-9+/]{6,}=*)"),
        group=1,
        check=_decodes_to_pair,
    ),
    _Rule(
        ("authorization",),
        re.compile(
            r"(?i)\bauthorization[\"']?\s*[:=]\s*[\"']?"
            r"(?:[A-Za-z][\w\-]{1,24}[ \t]+(?=\S{8}))?([^\s\"',]{6,})"
        ),
        group=1,
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
        ("?", "&"),  # in a query names are short
        re.compile(
            r"(?i)[?&;](?:\w{0,12}key|app_?id|app|code|sign?|hmac|login|session|sid|ticket|hash|k|t|st"
            r"|client|user|u|uid|credential|license|api)=([\w.~+/%\-]{20,}=*)"
        ),
        group=1,
        check=_is_given_out,
    ),
    _Rule(
        ("@",),  # the user and the password without a scheme before them
        re.compile(r":(?<=[\w.\-]:)([^\s:@/\"'<>]{7,64})@(?=[A-Za-z0-9][\w\-]{0,64}[.:\w])"),
        group=1,
        check=looks_strong,
    ),
    _Rule(
        ("@",),  # Oracle's user/password@database; a model is org/name@revision
        re.compile(r"/(?<=\w/)(?=[^\s@]{0,64}[!#$%^&*?])([^\s:@/\"'<>]{7,64})@(?=[A-Za-z])"),
        group=1,
        check=looks_strong,
    ),
    _Rule(
        (":",),  # an id and its secret
        re.compile(r"(?<![\w/:.\-])[\w\-]{4,64}:([A-Za-z0-9_\-]{40,256})(?![\w\-])"),
        group=1,
        check=_is_secret_half,
    ),
    _Rule(
        ("webhook",),
        re.compile(r"https?://[^\s\"'<>]{1,200}?/webhooks?[^\s\"'<>/]{0,40}/([^\s\"'<>]{16,})"),
        group=1,
    ),
    _Rule(
        tuple(
            f"{name} {verb}"
            for name in ("password", "passwd", "passphrase", "token", "secret", "key")
            for verb in ("is", "was")
        ),
        re.compile(
            r"(?i)\b(?:password|passwd|passphrase|token|secret|api key|access key|secret key)"
            r" (?:is|was)\s+[\"'`]?([^\s\"'`]{6,})"
        ),
        group=1,
        check=_no_prose,
    ),
    _Rule(
        ("://hook",),
        re.compile(r"https?://hooks?\.[\w.\-]{3,100}/([^\s\"'<>]{12,})"),
        group=1,
    ),
    _Rule(
        ("$",),  # a password hash of crypt(3), Django or others, which can be guessed
        re.compile(
            r"(?:\$(?:1|2[abxy]?|5|6|y|gy|apr1|argon2\w{1,2}|scrypt|pbkdf2[\w\-]{0,16})|\bpbkdf2_\w{3,8})"
            r"\$[^\s:\"'<>]{20,512}"
        ),
    ),
    _Rule(
        (
            "mnemonic",
            "seed phrase",
            "seed_phrase",
            "seedphrase",
            "seed-phrase",
            "seed words",
            "seed_words",
            "recovery",
        ),  # BIP 39: 12 to 24 words
        re.compile(
            r"(?i)\b(?:mnemonic|(?:seed|recovery)[ _\-]?(?:phrase|words))\W{1,8}"
            r"((?:[a-z]{3,8}[ ,]{1,2}){11,23}[a-z]{3,8})"
        ),
        group=1,
    ),
    _Rule(("password",), re.compile(r"\blogin\s+\S+\s+password\s+(\S+)"), group=1),
)
"""Forms without an issuer, or without a unique prefix: checks decide."""
_LONG_RULES: Final = (
    _Rule(
        (),  # a ClearML key and its secret beside each other have nothing literal
        re.compile(
            r"(?<![A-Za-z0-9])(?=[A-Z0-9]{20})([A-Z0-9]{20,40}[^A-Za-z0-9]{1,4}[A-Za-z0-9\-_]{40,80})"
            r"(?![A-Za-z0-9])"
        ),
        check=_clearml_pair,
    ),
    _Rule(("sk-",), re.compile(rf"(?<![A-Za-z0-9])sk-{_B64}{{20,}}"), check=_one_piece),
    _Rule(
        ("_", "-", "."),  # the prefix of an issuer, followed by random characters only
        re.compile(
            r"(?<![A-Za-z0-9/])(?!sha\d)[A-Za-z0-9]{2,12}[_\-.](?=[a-z0-9_\-.]{0,99}[A-Z])"
            r"[A-Za-z0-9_\-]{20,256}"
        ),
        check=_random_part,
    ),
    _Rule(
        tuple(
            word + end
            for word in ("live", "sk", "pat", "tok", "token", "apikey", "signkey", "secret")
            for end in "_-"
        ),
        re.compile(
            r"(?<![A-Za-z0-9/])(?:[A-Za-z][A-Za-z0-9]{0,15}[_\-]){0,3}"
            r"(?:live|sk|pat|tok|token|apikey|signkey|secret)[_\-](?:[a-z0-9]{1,8}[_\-])?"
            r"(?:[0-9a-f]{32,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[A-Za-z0-9_\-]{28,256})"
        ),
        check=_hex_or_random,
    ),
)
"""The same for single long words, which no literal part announces."""
_ANY_MARK: Final = literal_gate(mark.lower() for rule in _RULES for mark in rule.markers)
_MARKED: Final = tuple((mark.lower(), rule) for rule in _RULES for mark in rule.markers)
_ONE_LONG: Final = re.compile(r"[A-Za-z0-9_\-]{20}")


_REFERENCES: Final = ("${", "$(", "{{", "<%", "%(")
"""Beginnings of references to a value that is stored elsewhere."""

_EXTENDS: Final = re.compile(r"[A-Za-z0-9_\-]*")
_LEAST: Final = 8
"""Characters of the shortest text that is searched."""


def spans(text: str) -> list[Span]:
    """Find everything to replace in a text; spans may overlap."""
    if len(text) < _LEAST:
        return []
    by_form = (*_ruled(text), *_issued(text), *prefixed(text), *dotted(text))
    return [*by_form, *named(text), *placed(text)]


def _ruled(text: str) -> Iterator[Span]:
    for rule in _candidates(text):
        for match in rule.pattern.finditer(text):
            secret = match.group(rule.group)
            if secret.startswith(_REFERENCES) or secret.partition(":")[2].startswith(_REFERENCES):
                continue
            if REDACTED not in secret and (rule.check is None or rule.check(secret)):
                yield from _to_end_of_word(text, match.span(rule.group))


def _candidates(text: str) -> Iterable[_Rule]:
    """Return the rules with a literal part that is in the text."""
    folded = text.lower()
    candidates: list[_Rule] = []
    if _ANY_MARK.search(folded) is not None:
        candidates += [rule for mark, rule in _MARKED if mark in folded]
    if _ONE_LONG.search(text) is not None:
        candidates += [r for r in _LONG_RULES if not r.markers or any(m in text for m in r.markers)]
    return dict.fromkeys(candidates) if len(candidates) > 1 else candidates


def _issued(text: str) -> Iterator[Span]:
    for start, end in issued(text, looks_random):
        if REDACTED not in text[start:end]:
            yield from _to_end_of_word(text, (start, end))


def _to_end_of_word(text: str, span: Span) -> Iterator[Span]:
    """Extend a span to the end of the word; a match in the middle of a word is not a key."""
    start, end = span
    if start and text[start - 1].isalnum() and text[start].isalnum():
        return
    tail = _EXTENDS.match(text, end) if text[end - 1].isalnum() else None
    yield start, tail.end() if tail else end
