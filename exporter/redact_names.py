"""Which names announce a credential, and which values such a name makes one.

Two mistakes are possible: a wrong redaction costs a hyperparameter, a missed secret leaks. So the
name decides how little the value must show, in four steps:

====== ================================================= =========================================
claim  names                                             stored as ``<redacted>``
====== ================================================= =========================================
SURE   password, secret, credentials, api_key,           everything but what cannot be one: empty,
       access_key, auth_token, hf_token,                 bool, None, small numbers, ``<pad>``,
       connection_string …                               ``${VAR}``, plain paths and URIs
LIKELY token, x_token, wandb_key, client_key, pw,        what looks issued: hex of 16 and more,
       auth, cookie; anything inside ``credentials/``    ``user:word``, letters and digits mixed;
                                                         words and words with a number stay
SLIGHT key, x_key, pad_token, stop_tokens, and names     only what looks random: 20 characters and
       that merely contain a word of SURE                more in which lower case, upper case and
       (secret_santa_dataset, password_loss)             digits alternate
NONE   all others                                        nothing by name (`redact` reads the value)
====== ================================================= =========================================

What counts is the last word, the name's head: ``password_strength_loss`` is a loss, ``max_tokens``
are tokens, ``eos_token_id`` is an id. Words end at any separator and at camelCase humps, so
``author``, ``tokenizer`` and ``monkey`` say nothing. A 40-digit git commit, a task id, a UUID are
never secrets by themselves: they have no upper-case letters between lower-case ones.
"""

import re
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final


class Claim(IntEnum):
    """How surely a name says that its value is a credential."""

    NONE = 0
    SLIGHT = 1
    LIKELY = 2
    SURE = 3
    PASSWORD = 4
    """As SURE, and a whole number may be one."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PASSWORDS: Final = _words("password passwords passwd pwd passphrase passcode passwort contraseña")
_SECRETS: Final = _words(
    "secret secrets credential credentials creds apikey apikeys secretkey accesskey privatekey"
    " authtoken accesstoken apitoken connectionstring connstr dsn authorization"
)
_GLUED: Final = (
    *("password", "passwd", "passphrase", "apikey", "secretkey", "accesskey", "privatekey"),
    *("authtoken", "accesstoken", "apitoken", "clientsecret"),
)
"""Ends of words written without a separator, as in ``pgpassword``."""

_VENDORS: Final = _words(
    "openai anthropic wandb clearml comet neptune aws azure gcp google github gitlab huggingface"
    " hf cohere mistral groq replicate kaggle sendgrid stripe slack twilio databricks snowflake"
    " pinecone serpapi langchain langsmith tavily dagshub roboflow zenodo sentry ngrok telegram"
    " discord npm pypi vault dockerhub registry mlflow"
)
_KEY_SURE: Final = _words(
    "api access secret private auth signing encryption account subscription ssh license hmac"
)
_KEY_LIKELY: Final = _VENDORS | _words(
    "service master shared storage app application client admin function deploy user login"
)
_TOKEN_SURE: Final = _VENDORS | _words(
    "auth access api bearer refresh hub bot session security sas jwt oauth oauth2 secret login"
    " deploy personal csrf xsrf private git"
)
_TOKEN_VOCABULARY: Final = _words(
    "pad padding eos bos unk unknown mask sep cls start end stop begin first last next prev image"
    " video audio speech text word char target source special prefix suffix separator newline"
    " space class time state register query task language lang sentence document doc speaker"
)
_PASS_BEFORE: Final = _words(
    "db database user smtp redis mysql postgres pg ssh git mail email root admin ftp http proxy"
    " wifi login clearml agent key"
)
_NEUTRAL: Final = _words(
    "value val str string text plain plaintext raw base64 b64 default prod dev staging test new"
    " old primary secondary"
)
"""Last words that leave what stands before them the head."""

_COUNTS: Final = _words("num n max min len count avg total number")

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_PARTS: Final = re.compile(r"[/.:]+")


def split_words(name: str) -> list[str]:
    """Split at separators, camelCase humps and digits: ``HFApiKey2`` → hf, api, key, 2."""
    return [word.lower() for word in _WORD.findall(name)]


def _key_claim(before: str) -> Claim:
    if before in _KEY_SURE:
        return Claim.SURE
    return Claim.LIKELY if before in _KEY_LIKELY else Claim.SLIGHT


def _token_claim(head: str, before: str) -> Claim:
    if before in _TOKEN_SURE:
        return Claim.SURE
    if head == "tokens" or before in _TOKEN_VOCABULARY:
        return Claim.SLIGHT
    return Claim.LIKELY


def _head_claim(head: str, before: str) -> Claim:
    """What the last word says, seen with the one before it."""
    if head in _PASSWORDS or head.endswith(("password", "passwd")):
        return Claim.PASSWORD
    if head in {"pass", "pw"}:
        sure = before in _PASS_BEFORE
        return Claim.PASSWORD if sure else Claim.NONE if before else Claim.LIKELY
    if head in _SECRETS or head.endswith(_GLUED):
        return Claim.SURE
    if head in {"key", "keys"}:
        return _key_claim(before)
    if head in {"token", "tokens"}:
        return _token_claim(head, before)
    return Claim.LIKELY if head in {"auth", "cookie", "jwt", "sas", "bearer"} else Claim.NONE


def _own_claim(words: list[str]) -> Claim:
    """The claim of a name without the folders that it stands in."""
    if words[-2:] in (["connection", "string"], ["conn", "str"]):
        return Claim.SURE
    if words[-3:] == ["access", "key", "id"]:
        return Claim.SURE
    while len(words) > 1 and (words[-1] in _NEUTRAL or words[-1].isdigit()):
        words = words[:-1]
    claims = [
        _head_claim(word, words[index - 1] if index else "") for index, word in enumerate(words)
    ]
    if not claims or claims[-1] is not Claim.NONE:
        return claims[-1] if claims else Claim.NONE
    return Claim.SLIGHT if max(claims) >= Claim.SURE else Claim.NONE


@lru_cache(maxsize=8192)
def claim_of(name: str) -> Claim:
    """Say how surely a name announces a credential; folders before ``/`` ``.`` ``:`` count too."""
    own = _own_claim(split_words(name))
    if own >= Claim.LIKELY:
        return own
    folders = _PARTS.split(name)[:-1]
    inside = any(_own_claim(split_words(folder)) >= Claim.SURE for folder in folders)
    return Claim.LIKELY if inside else own


_SETTLED: Final = _words(
    "none null nil nan true false yes no on off n/a auto default required optional empty dummy"
    " env environment prompt basic bearer digest oauth oauth2 iam [] {} () '' \"\" ... not-needed"
)
_MASKED: Final = re.compile(
    r"<[^<>\s]{1,64}>|<\|[^<>|]{1,64}\|>|\[[A-Z_]{1,16}\]|[*•xX.\-]+|\$\{[^{}]*\}|\$\w+|\{\{.*\}\}"
    r"|%\w+%"
)
"""Special tokens, masks, and references to where the value is kept."""

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
    """Say whether the value is empty, a setting, a placeholder, or says where the secret is."""
    if len(value) <= 12 and value.lower() in _SETTLED:
        return True
    if _MASKED.fullmatch(value) or _FLOAT.fullmatch(value):
        return True
    if _VARIABLE.fullmatch(value):
        return claim_of(value) >= Claim.SURE
    return bool(_PATH.fullmatch(value) or _URI.fullmatch(value))


def looks_random(value: str) -> bool:
    """Say whether 20 characters and more alternate between lower case, upper case and digits.

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


def _looks_issued(value: str) -> bool:
    if len(value) < 8 or any(c.isspace() for c in value):
        return False
    if _HEX.fullmatch(value) or looks_random(value):
        return True
    if _PAIR.fullmatch(value):
        return True
    if _WORDY.fullmatch(value):
        return False
    return any(c.isdigit() for c in value) and any(c.isalpha() for c in value)


def _whole_number_is_one(name: str, value: str, claim: Claim) -> bool:
    counted = split_words(name)[0] in _COUNTS
    return not counted and len(value) >= (4 if claim is Claim.PASSWORD else 8)


def named_secret(name: str, value: str) -> bool:
    """Say whether a value under this name is to be redacted, by the table above."""
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
    return claim >= Claim.SURE or _looks_issued(value)
