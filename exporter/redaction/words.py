"""The words in names that announce a credential, and those that only seem to.

The words themselves are data, with their languages and sources: ``words.tsv``; the
issuers are those of ``formats.tsv``, and some that publish no format.
"""

import unicodedata
from functools import lru_cache
from importlib.resources import files
from typing import Final

from clearml_snapshot.exporter.redaction.formats import formats

_TABLE: Final = "words.tsv"
_KINDS: Final = ("password", "secret", "key", "id", "plain")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@lru_cache(maxsize=1)
def _table() -> dict[str, frozenset[str]]:
    text = files(__package__).joinpath(_TABLE).read_text("utf-8")
    words_by_kind: dict[str, set[str]] = {kind: set() for kind in _KINDS}
    for line in text.splitlines():
        if not line.startswith("#"):
            kind, words, _language, _source = line.split("\t")
            words_by_kind[kind].update(without_accents(word) for word in words.split())
    return {kind: frozenset(words) for kind, words in words_by_kind.items()}


_STROKES: Final = str.maketrans("łøđı", "lodi")
"""Letters that Unicode does not decompose."""


def without_accents(text: str) -> str:
    """Return the text in lower case without accents: ``Contraseña`` as ``contrasena``."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold().translate(_STROKES))
    bare = "".join(char for char in apart if unicodedata.category(char) != "Mn")
    return unicodedata.normalize("NFC", bare)


PASSWORDS: Final = _table()["password"]
SECRETS: Final = _table()["secret"]
KEYS: Final = _table()["key"] | {"key", "keys"}
ID_WORDS: Final = _table()["id"]
"""What precedes ids and hashes, as in ``run_2f7b…``."""
PLAIN: Final = _table()["plain"]
"""Words in a block of credentials that are not secret: ``credentials/user``, ``secrets/region``."""

GLUED: Final = (
    *("password", "passwd", "passphrase", "apikey", "secretkey", "accesskey", "privatekey"),
    *("authtoken", "accesstoken", "apitoken", "clientsecret", "masterkey", "encryptionkey"),
    *("sharedkey", "accountkey", "storagekey", "signingkey", "refreshtoken", "bearertoken"),
    *("sastoken", "bottoken", "connectionstring", "secretaccesskey", "accesskeyid"),
    *(word for word in PASSWORDS if len(word) >= 6 or not word.isascii()),
    *(word for word in SECRETS if not word.isascii()),
)
"""Ends of words written without a separator, as in ``pgpassword``."""

_COMMON: Final = _words("age defined linear square modal new render fly harness notion prefect")
"""Names of issuers that are words of machine learning and of ordinary language as well."""

VENDORS: Final = (frozenset(fmt.name.split("-")[0] for fmt in formats()) - _COMMON) | _words(
    "openai anthropic wandb clearml comet neptune aws azure gcp google github gitlab huggingface"
    " hf gh cohere mistral groq replicate kaggle sendgrid stripe slack twilio databricks snowflake"
    " pinecone serpapi langchain langsmith tavily dagshub roboflow zenodo sentry ngrok telegram"
    " discord npm pypi vault dockerhub registry mlflow mailjet pagerduty datadog algolia okta auth0"
    " weaviate milvus qdrant redis mongodb elastic segment mixpanel amplitude intercom"
    " zendesk jira confluence jenkins travis codecov snyk opsgenie pushover ifttt giphy unsplash"
    " openweather openweathermap alphavantage finnhub polygon binance coinbase kraken spotify"
    " twitter linkedin instagram youtube pixabay pexels foursquare tomtom bing yelp trello todoist"
    " smtp s3 minio wasabi backblaze b2 r2 oss cos bedrock vertex gemini claude deepgram assemblyai"
    " elevenlabs stability runway voyage jina together fireworks perplexity deepseek moonshot zhipu"
    " dashscope qwen baidu tencent aliyun alibaba huawei yandex naver kakao sap salesforce shodan"
    " virustotal maxmind captcha recaptcha turnstile cloudinary firebase supabase planetscale"
    " devops ado vsts tfs nexus harbor quay rancher grafana prometheus loki posthog plaid paypal"
    " square braintree adyen klarna razorpay shopify woocommerce hubspot marketo airtable asana"
)

KEY_SURE: Final = _words(
    "api access secret private auth signing encryption account subscription ssh hmac"
    " decryption crypto aes rsa pgp gpg jwt webhook priv"
)
KEY_LIKELY: Final = VENDORS | _words(
    "service master shared storage app application client admin function deploy user login"
    " consumer project integration ingest write read bot server license licence cipher wrapping"
    " root session seal unseal recovery tenant fernet backup kms vapid apns device network provider"
    " security activation authorization rpc preshared cookie partner merchant developer rest"
    " management register routing sdk send sending wallet wif organization org"
)
TOKEN_SURE: Final = VENDORS | _words(
    "auth access api bearer refresh hub bot session security sas jwt oauth oauth2 secret login"
    " deploy personal csrf xsrf private git service user github vault upload publish ci runner"
)
TOKEN_VOCABULARY: Final = _words(
    "pad padding eos bos unk unknown mask sep cls start end stop begin first last next prev image"
    " video audio speech text word char target source special prefix suffix separator newline"
    " space class time state register query task language lang sentence document doc speaker"
)
SYSTEMS: Final = _words(
    "db database smtp redis mysql postgres postgresql pg ssh git mail email root admin ftp http"
    " proxy wifi clearml agent key bind ldap imap pop pop3 sudo keystore truststore cert pem"
    " rabbitmq rabbit mongo neo4j elastic es kafka jdbc sql mssql oracle vpn bot jenkins nexus"
    " artifactory registry harbor jira sftp samba smb nas minio web site cluster svc service"
    " zip archive pdf excel p12 pfx ssl tls vnc rdp ipmi bmc sso ad domain sap broker mqtt amqp"
    " cache etcd consul influx influxdb clickhouse snowflake trino presto hive airflow superset"
    " grafana docker github gitlab bitbucket svn nexus banco base basedatos datenbank bdd bd baza"
    " бд de do da del di du der accesso acceso acces acesso"
)
PASS_BEFORE: Final = SYSTEMS | _words(
    "user login my the new old current default api app master auth become"
)
PASS_PLAIN: Final = _words(
    "forward backward fwd bwd low high band all multi n num one two first second third single final"
    " max min by com tres over under sur encom en last next"
    " train eval val compile optimizer per each pre post"
)
"""Words before ``pass`` that make it ordinary: ``forward_pass``."""
GLUED_BEFORE: Final = SYSTEMS | _words("user login my admin super master")
PAT_BEFORE: Final = VENDORS | _words("git api access my user bot ci repo org read write")
KEY_AFTER: Final = _words(
    "api secreta secrete secret segreta privada privee privata acceso acces acesso accesso ssh"
)
"""Behind a word for key in languages whose adjectives follow: ``clave_api``."""

NEUTRAL: Final = _words(
    "value val str string text plain plaintext raw base64 b64 default prod dev staging test new"
    " old primary secondary production live local main backup"
)
"""Last words that are not the head of a name; the word before them is."""
