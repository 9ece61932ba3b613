"""Which names announce a credential, and which values such a name makes one.

Two mistakes are possible: a wrong redaction loses a hyperparameter, a missed secret leaks. So the
name decides, in steps, how much the value must look like a credential:

====== ================================================= =========================================
claim  names                                             stored as ``<redacted>``
====== ================================================= =========================================
SURE   password, secret, credentials, api_key,           everything but what cannot be one: empty,
       access_key, auth_token, hf_token,                 bool, None, small numbers, ``<pad>``,
       connection_string …                               ``${VAR}``, plain paths and URIs
TYPED  pass, x_pw; anything inside ``credentials/``      as LIKELY, and a word with a number
       but what is a setting there (``…/user``)
LIKELY token, x_token, wandb_key, client_key, x_pat,     what looks issued: hex of 16 and more,
       auth, cookie                                      ``user:word``, letters and digits mixed;
                                                         words and words with a number stay
SLIGHT key, x_key, pad_token, stop_tokens, and names     only what looks random: 20 characters and
       that merely contain a word of SURE                more in which lower case, upper case and
       (secret_santa_dataset, password_loss)             digits alternate
NONE   all others                                        nothing by name (`redact` reads the value)
====== ================================================= =========================================

What counts is the last word, the name's head: ``password_strength_loss`` is a loss, ``max_tokens``
are tokens, ``eos_token_id`` is an id. Words end at any separator and at camelCase humps, so
``author``, ``tokenizer`` and ``monkey`` announce nothing. A 40-digit git commit, a task id, a UUID
are never secrets by themselves: they have no upper-case letters between lower-case ones.
"""

import re
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final

from clearml_snapshot.exporter.redaction.words import (
    GLUED,
    GLUED_BEFORE,
    KEY_AFTER,
    KEY_LIKELY,
    KEY_SURE,
    KEYS,
    NEUTRAL,
    PASS_BEFORE,
    PASS_PLAIN,
    PASSWORDS,
    PAT_BEFORE,
    PLAIN,
    SECRETS,
    SYSTEMS,
    TOKEN_SURE,
    TOKEN_VOCABULARY,
    without_accents,
)


class Claim(IntEnum):
    """How certainly a name announces that its value is a credential."""

    NONE = 0
    SLIGHT = 1
    LIKELY = 2
    TYPED = 3
    """As LIKELY, and also passwords that a person would choose: ``hunter2``."""
    SURE = 4
    PASSWORD = 5
    """As SURE, and also numbers."""


_COUNTS: Final = frozenset(("num", "n", "max", "min", "len", "count", "avg", "total", "number"))

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_PARTS: Final = re.compile(r"[/.:]+")


def split_words(name: str) -> list[str]:
    """Split at separators, camelCase humps and digits: ``HFApiKey2`` → hf, api, key, 2.

    Accents are removed: ``contraseña`` is the same word as when typed without its tilde.
    """
    if not name.isascii():
        name = "".join(map(_without_accents, name))
    return [word.lower() for word in _WORD.findall(name)]


def _without_accents(character: str) -> str:
    bare = without_accents(character)
    return bare.upper() if character.isupper() else bare


def _key_claim(before: str) -> Claim:
    if before in KEY_SURE or before in SECRETS:
        return Claim.SURE
    return Claim.LIKELY if before in KEY_LIKELY else Claim.SLIGHT


def _token_claim(head: str, before: str) -> Claim:
    if before in TOKEN_SURE:
        return Claim.SURE
    if head == "tokens" or before in TOKEN_VOCABULARY:
        return Claim.SLIGHT
    return Claim.LIKELY


def _pass_claim(head: str, before: str) -> Claim:
    """Rate ``pass`` and ``pw``: ``bind_pw`` is a password, ``forward_pass`` is not."""
    if before in PASS_BEFORE:
        return Claim.PASSWORD
    return Claim.NONE if head == "pass" and before in PASS_PLAIN else Claim.TYPED


def _glued_claim(head: str) -> Claim:
    """Rate a word without separators: ``userpass``, ``githubtoken``, ``mailgunkey``."""
    if head.endswith(("password", "passwd")):
        return Claim.PASSWORD
    if head.endswith(GLUED):
        return Claim.SURE
    for end in ("pass", "pwd", "pw"):
        if head.endswith(end) and head.removesuffix(end) in GLUED_BEFORE:
            return Claim.PASSWORD
    return _glued_word_claim(head) or (Claim.LIKELY if head in _HEADS else Claim.NONE)


_BEFORE_KEY: Final = KEY_SURE | KEY_LIKELY | {"s", "encrypt", "atrestencrypt", "crypt"}


def _glued_word_claim(head: str) -> Claim:
    """Rate the end of an unknown word: ``mypwd``, ``appsecret``, ``usertoken``, ``zipkey``."""
    if head.endswith(("secret", "creds", "credential", "credentials")):
        return Claim.SURE
    if head.endswith("pwd"):
        return Claim.PASSWORD
    if head.endswith("pass") and head.removesuffix("pass") not in PASS_PLAIN:
        return Claim.TYPED
    if head.endswith("token"):
        return _token_claim("token", head.removesuffix("token"))
    if head.endswith("key") and head.removesuffix("key") in _BEFORE_KEY:
        return Claim.LIKELY
    if head == "cleartext":
        return Claim.TYPED
    return Claim.LIKELY if head.endswith(("auth", "authtok", "salt")) else Claim.NONE


_HEADS: Final = frozenset(
    (
        "auth",
        "cookie",
        "cookies",
        "jwt",
        "sas",
        "bearer",
        "pat",
        "netrc",
        "htpasswd",
        "otp",
        "totp",
        "salt",
        "verifier",
        "assertion",
        "encrypt",
    )
)


def _head_claim(head: str, before: str) -> Claim:
    """Rate the last word together with the one before it."""
    if head in PASSWORDS:
        return Claim.PASSWORD
    if head in {"pass", "pw"}:
        return _pass_claim(head, before)
    if head in SECRETS:
        return Claim.SURE
    if head in {"token", "tokens", "tok"}:
        return _token_claim(head, before)
    if head == "pat" and before in PAT_BEFORE:
        return Claim.SURE
    if head == "community" and before in {"snmp", "ro", "rw"}:
        return Claim.PASSWORD
    if head in KEYS:
        claim = _key_claim(before)
        return max(claim, Claim.SLIGHT if head in {"key", "keys"} else Claim.LIKELY)
    return _glued_claim(head)


def _phrase_claim(words: list[str]) -> Claim:
    """Rate several words together: ``connection_string``, ``mot_de_passe``, ``clave_api``."""
    if words[-2:] in (["connection", "string"], ["conn", "str"]):
        return Claim.SURE
    if words[-3:] == ["access", "key", "id"]:
        return Claim.SURE
    if words[-2:] == ["key", "data"]:
        return Claim.LIKELY
    if words[-2:] == ["clear", "text"]:
        return Claim.TYPED
    if len(words) > 1 and words[-2] in KEYS and words[-1] in KEY_AFTER:
        return Claim.SURE
    ends = ("".join(words[-count:]) for count in (2, 3) if len(words) >= count)
    return Claim.PASSWORD if any(end in PASSWORDS for end in ends) else Claim.NONE


def _own_claim(words: list[str]) -> Claim:
    """Rate a name without the folders before it."""
    if phrase := _phrase_claim(words):
        return phrase
    while len(words) > 1 and _is_neutral(words):
        words = words[:-1]
    if phrase := _phrase_claim(words):
        return phrase
    claims = [
        _head_claim(word, words[index - 1] if index else "") for index, word in enumerate(words)
    ]
    if not claims or claims[-1] is not Claim.NONE:
        return claims[-1] if claims else Claim.NONE
    return Claim.SLIGHT if max(claims) >= Claim.SURE else Claim.NONE


def _is_neutral(words: list[str]) -> bool:
    """Return whether the last word is not the head of the name: ``password_prod``, ``pwd_db``."""
    last = words[-1]
    if last in NEUTRAL or last.isdigit():
        return True
    return last in SYSTEMS and last not in KEYS and _own_claim(words[:-1]) >= Claim.SURE


@lru_cache(maxsize=8192)
def claim_of(name: str) -> Claim:
    """Rate how certainly a name, with folders before ``/`` ``.`` ``:``, announces a credential."""
    own = _own_claim(split_words(name))
    if own >= Claim.LIKELY:
        return own
    folders = _PARTS.split(name)[:-1]
    if not any(_own_claim(split_words(folder)) >= Claim.SURE for folder in folders):
        return own
    last = split_words(_PARTS.split(name)[-1])[-1:]
    return Claim.LIKELY if PLAIN.issuperset(last) else Claim.TYPED


_SETTINGS: Final = (
    "none null nil nan true false yes no on off n/a auto default required optional empty dummy"
    " env environment prompt basic bearer digest oauth oauth2 iam [] {} () '' \"\" ... not-needed"
)
_SETTLED: Final = frozenset(_SETTINGS.split())
_MASKED: Final = re.compile(
    r"<[^<>\s]{1,64}>|<\|[^<>|]{1,64}\|>|\[[A-Z_]{1,16}\]|[*•xX.\-]+|\$\{[^{}]*\}|\$\w+|\$?\{\{.*\}\}"
    r"|%\w+%|\[(?:\s*[\"']?[A-Z][A-Z0-9]*_[A-Z0-9_]+[\"']?\s*,?)+\]"
)
"""Special tokens, masks, references to a value stored elsewhere, and lists of variables."""

_FLOAT: Final = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?")
_PATH: Final = re.compile(
    r"(?:~|\.{1,2})?[/\\]\S*\.[A-Za-z0-9]{1,5}|(?:~|\.{1,2})[/\\]\S+|[A-Za-z]:\\\S+"
    r"|/(?:home|root|etc|mnt|var|opt|tmp|run|usr|data|workspace|content|kaggle|app|srv|dev|Users)"
    r"(?:/\S*)?|[\w\-./]+\.(?:json|ya?ml|txt|pem|key|env|ini|cfg|conf|toml|csv|pt|pth|bin)"
)
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s@]*")
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_HEX: Final = re.compile(r"[0-9a-fA-F]{16,}")
_PAIR: Final = re.compile(r"[^\s:/\\]{2,}:[^\s:/\\]{3,}")
_WORDY: Final = re.compile(r"(?:(?:[A-Za-z]+\d{0,4}|\d+[A-Za-z]{0,2})(?:[\-_./:+,]+|$))+")


def _cannot_be_one(value: str) -> bool:
    """Return whether the value is empty, a setting, a placeholder, or only refers to the secret."""
    if len(value) <= 12 and value.lower() in _SETTLED:
        return True
    if len(value) <= 3 and not any(c.isalnum() for c in value):
        return True
    if value.startswith(("${", "$(", "{{", "<%", "%(")):
        return True
    if _MASKED.fullmatch(value) or _FLOAT.fullmatch(value):
        return True
    if _VARIABLE.fullmatch(value):
        return claim_of(value) >= Claim.SURE
    return bool(_PATH.fullmatch(value) or _URI.fullmatch(value))


def looks_random(value: str) -> bool:
    """Return whether 20 or more characters alternate between lower case, upper case and digits.

    Six of ten neighbours differ in issued keys, two of ten in ``Qwen2-VL-7B-Instruct-GPTQ-Int4``.
    """
    if not 20 <= len(value) <= 512 or " " in value:
        return False
    kinds = [
        "l" if c.islower() else "u" if c.isupper() else "d" if c.isdigit() else "" for c in value
    ]
    if not {"l", "u", "d"} <= set(kinds):
        return False
    changes = sum(1 for a, b in pairwise(kinds) if a and b and a != b)
    return changes >= 0.42 * len(value)


def looks_issued(value: str) -> bool:
    """Return whether a machine may have generated it: hex, ``user:word``, letters and digits."""
    if len(value) < 8 or any(c.isspace() for c in value):
        return False
    if _HEX.fullmatch(value) or looks_random(value):
        return True
    if _PAIR.fullmatch(value):
        return True
    if _WORDY.fullmatch(value):
        return False
    return any(c.isdigit() for c in value) and any(c.isalpha() for c in value)


_SNAKE: Final = re.compile(r"[A-Za-z]+\d*(?:[_\-./:+,][A-Za-z0-9]+)+")


def looks_typed(value: str) -> bool:
    """Return whether a person may have chosen it as a password: letters and something else."""
    if not 5 <= len(value) <= 64 or value[0] in "[({" or any(c.isspace() for c in value):
        return False
    if _SNAKE.fullmatch(value) or not any(c.isalpha() for c in value):
        return False
    word = value.rstrip(".,;:?)")
    return not word.isalpha() or not (word[1:].islower() or word.isupper())


_MARKS: Final = frozenset("!#$%^&*?~+@")
_ALTERNATES: Final = re.compile(r"[A-Za-z]+\d+[A-Za-z]+\d|\d+[A-Za-z]+\d+[A-Za-z]")


def looks_strong(value: str) -> bool:
    """Return whether letters, digits and signs are mixed as in a password that a person made up.

    It is for places where other values are common, such as after ``-p``: it accepts ``Winter2024!``
    and ``s3cr3tPa55``, but not ``ResNet50`` or ``2024-11``.
    """
    if not 7 <= len(value) <= 64 or any(c in "/\\=,[](){}<>;|\"'`" for c in value):
        return False
    if not any(c.isdigit() for c in value) or not any(c.isalpha() for c in value):
        return False
    if not _MARKS.isdisjoint(value[1:]) and not value.startswith(("$", "%", "@")):
        return True
    mixed = value != value.lower() and value != value.upper()
    return (
        mixed
        and value.isalnum()
        and (
            _ALTERNATES.search(value) is not None
            or re.fullmatch(r"[a-z]+\d+[A-Z]+", value) is not None
        )
    )


def _whole_number_is_one(name: str, value: str, claim: Claim) -> bool:
    counted = split_words(name)[0] in _COUNTS
    return not counted and len(value) >= (4 if claim is Claim.PASSWORD else 8)


def named_secret(name: str, value: str) -> bool:
    """Return whether a value under this name is to be redacted, by the table above."""
    claim = claim_of(name)
    if claim is Claim.NONE:
        return False
    value = value.strip().strip("\"'`")
    if not value or _cannot_be_one(value):
        return False
    if value.lstrip("+-").isdigit():
        return claim >= Claim.SURE and _whole_number_is_one(name, value, claim)
    if claim is Claim.SLIGHT:
        return looks_random(value)
    is_chosen = claim is Claim.TYPED and looks_typed(value)
    return claim >= Claim.SURE or is_chosen or looks_issued(value)
