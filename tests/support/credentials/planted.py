"""Invented credentials in the places where people leave them, and ordinary parameters.

No value here is a real key: values are drawn from a seeded generator. `planted` gives the
kinds that the rules were checked with; those of `unseen` were kept apart and counted afterwards, so
that their figure shows how well the rules find what they have not seen.
"""

import random
import string
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
B62, HEX, URL64 = LOWER + UPPER + DIGITS, "0123456789abcdef", LOWER + UPPER + DIGITS + "-_"


@dataclass(frozen=True)
class Planted:
    """A parameter with a credential in it."""

    kind: str
    name: str
    value: str
    secret: str
    """What must not be stored."""


Draw = Callable[[random.Random], str]


def of(pattern: str) -> Draw:
    """Make a generator: ``npm_{b62:36}`` is that prefix and 36 letters and digits."""
    alphabets = {"b62": B62, "hex": HEX, "url": URL64, "up": UPPER + DIGITS, "low": LOWER + DIGITS}
    alphabets |= {"HEX": HEX.upper(), "dig": DIGITS, "b32": UPPER + "234567", "let": LOWER + UPPER}

    def draw(chance: random.Random) -> str:
        pieces = []
        for part in pattern.replace("}", "{").split("{"):
            kind, _, length = part.partition(":")
            if kind == "uuid" and not length:
                pieces.append(str(uuid.UUID(int=chance.getrandbits(128), version=4)))
            elif kind in alphabets and length.isdigit():
                pieces.append("".join(chance.choices(alphabets[kind], k=int(length))))
            else:
                pieces.append(part)
        return "".join(pieces)

    return draw


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.replace('"', "").split())


FORMATS: Final = _listed(
    """
    wandb_v1_{url:77} pcsk_{b62:6}_{b62:63} lsv2_pt_{hex:32}_{hex:10}
    lsv2_sk_{hex:32}_{hex:10} pplx-{b62:48} npm_{b62:36} dop_v1_{hex:64} doo_v1_{hex:64}
    dor_v1_{hex:64} glsa_{b62:32}_{hex:8} glc_{b62:80} shpat_{hex:32} shpss_{hex:32}
    shpca_{hex:32} lin_api_{b62:40} lin_oauth_{hex:64} ntn_{dig:11}{b62:35} secret_{b62:43}
    tskey-auth-{b62:16}-{b62:32} tskey-api-{b62:14}-{b62:32} squ_{hex:40} sqp_{hex:40}
    sqa_{hex:40} figd_{url:40} PMAK-{hex:24}-{hex:34} ATATT3xFfGF0{url:170}
    ATCTT3xFfGN0{url:170}={HEX:8} ATBB{b62:24}{HEX:8} BBDC-{b62:44} HRKU-AA{url:58}
    NRAK-{up:27} NRII-{url:32} NRJS-{hex:19} {b62:14}.atlasv1.{url:67}
    AGE-SECRET-KEY-1{up:58} {b62:3}8Q~{url:34} ghp_{b62:36} gho_{b62:36} ghs_{b62:36}
    github_pat_{b62:22}_{b62:59} glpat-{url:20} gldt-{url:20} glrt-{url:20}
    xox"b-{dig:12}-{dig:12}-{b62:24} xapp-1-A{up:10}-{dig:13}-{hex:64} sk_"live_{b62:24}
    rk_"live_{b62:24} sk_"test_{b62:24} whsec_{b62:32} SK{hex:32} AC{hex:32}
    sk-{b62:20}T3BlbkFJ{b62:20} sk-proj-{url:74}T3BlbkFJ{url:74} sk-ant-api03-{url:93}AA
    sk-{hex:32} hf_{let:34} api_org_{let:34} AIza{url:35} ya29.{url:80} GOCSPX-{url:28}
    SG.{url:22}.{url:43} pypi-AgEIcHlwaS5vcmc{url:80} dapi{hex:32} dckr_pat_{url:27}
    nvapi-{url:64} gsk_{b62:52} xai-{b62:80} r8_{b62:37} hvs.{url:94} AKIA{b32:16}
    ASIA{b32:16} LTAI{b62:20} AKID{b62:32} r_{b62:0}tvly-{b62:32} tgp_v1_{url:43}
    llx-{b62:48} jina_{hex:32}{b62:28} csk-{low:48} fw_{b62:22}7 sbp_{hex:40} nfp_{b62:36}
    phx_{b62:43} vcp_{b62:56} pscale_tkn_{url:43} pscale_pw_{url:43} pul-{hex:40}
    rubygems_{hex:48} sntryu_{hex:64} sntrys_eyJ{b62:120}_{b62:43} xkeysib-{hex:64}-{b62:16}
    key-{hex:32} mlsn.{hex:64} sk.eyJ{b62:80}.{b62:22} {b62:6}_{b62:29}_mmk oy2{low:43}
    API-{up:26} sha256~{url:43} pnu_{b62:36} dp.pt.{b62:43} dp.st.prd.{b62:40}
    dt0c01.{up:24}.{up:64} EZAK{b62:54} shippo_live_{hex:40} sgp_{hex:16}_{hex:40}
    sq0csp-{url:43} sq0atp-{url:22} {hex:32}-us12 CCIPAT_{b62:22}_{hex:40} bkua_{hex:40}
    CLOJARS_{hex:60} ops_eyJ{b62:200} A3-{up:6}-{up:6}-{up:5}-{up:5}-{up:5}-{up:5}
    apify_api_{b62:36} duffel_test_{url:43} rdme_{low:70} tfp_{url:44}_{b62:14}
    pat{b62:14}.{hex:64} pat-na1-{uuid} AQVN{url:36} y0_{url:58} SWMTKN-1-{low:50}-{low:25}
    cfut_{b62:40} e2b_{hex:40} sk-lf-{uuid} mdb_sa_sk_{url:40} npg_{b62:16} napi_{low:64}
    re_{b62:8}_{b62:24} dnkey-{up:26}-{up:52} pat.{url:22}.{b62:24}.{b62:20} fm2_{b62:120}
    hcaik_{low:58} hcxik_{low:58} xaat-{uuid} xapt-{uuid} secret-"live-{url:36}
    secret-"test-{url:36} os_v2_app_{low:103} perm:{b62:20}.{b62:20}.{b62:40} DO00{up:16}
    KGAT_{hex:32} fc-{hex:32} EXO{hex:26} K005{b62:27} xprv{b62:107} oauth:{low:30} {uuid}:fx
    tr_dev_{b62:20} tr_prod_{b62:20} eyJrIjoi{b62:60} inngest_{hex:64} depot_{hex:64}
    ABSK{b62:120} EAAC{b62:120} amzn.mws.{uuid} figo_{b62:42}
    """
)
UNSEEN_FORMATS: Final = _listed(
    """
    AVNS_{b62:32} alcht_{b62:30} mka_{b62:48} polar_pat_{b62:43} pina_{up:20}{low:70}
    sindri_{b62:32} vtwn_{b62:40} zpka_{b62:32}_{hex:8} CCDB1_{b62:22}_{b62:40}
    sk-or-v1-{hex:64} pdl_live_apikey_{low:26}_{b62:22} unkey_{b62:32} wrkaus-{b62:64}
    dtn_{hex:64} bb_live_{b62:32} sk-helicone-{b62:30} signkey-prod-{hex:64}
    ramp_tok_{b62:48} persona_production_{uuid} cal_live_{hex:32} onetime_{b62:34}
    rl_{b62:40} zk_{b62:44} ctp-{b62:40} kvt.{b62:36} acme_pat_{b62:40} spk_{b62:32}
    oat_{b62:40} bst_{b62:36} mxb-{b62:44}
    """
)
"""Issuers that no rule names, some of them invented."""

PASSWORDS: Final = ("hunter2", "Tr0ub4dor&3", "Winter2024!", "s3cr3tPa55", "Zx9#kLm2", "qwe123RTY")

NAMES: Final = _listed(
    """
    password passwd pwd passphrase db_password DB_PASSWORD dbPassword smtp-password
    PGPASSWORD mysql_pwd redis.password admin_password rootPassword password_prod userpass
    dbpass smtp_pass bind_pw root_pw pass pw ssh_pass proxy_pass keystore_pass FTP_PASS
    sudo_pass ldap_pass wifi_pass mail_pass http_pass admin_pass email_host_password
    POSTGRES_PASSWORD MYSQL_ROOT_PASSWORD MONGO_INITDB_ROOT_PASSWORD sftp_passwd secret
    client_secret clientSecret app_secret CONSUMER_SECRET webhook_secret jwt_secret
    SECRET_KEY aws_secret_access_key secretAccessKey shared_secret signing_secret
    credentials creds db_creds api_key apiKey APIKEY x-api-key openai_api_key MAPS_API_KEY
    private_key encryption_key auth_token access_token refreshToken bearer_token hub_token
    slack_token bot_token SLACK_BOT_TOKEN session_token passwort Kennwort db_passwort
    Zugangsdaten datenbank_kennwort schluessel_api mot_de_passe motDePasse MOT_DE_PASSE_DB
    mdp_passe_mot_de_passe contraseña contrasena contraseña_db clave_secreta clave_api senha
    senha_banco wachtwoord haslo hasło heslo lösenord losenord passord adgangskode salasana
    jelszó şifre parola lozinka пароль пароль_бд секрет 密码 数据库密码 口令 密钥
    パスワード 비밀번호 รหัสผ่าน
    κωδικός סיסמה
    """
)
ISSUED_NAMES: Final = _listed(
    """
    GITHUB_PAT gh_pat AZURE_DEVOPS_PAT ado_pat GIT_PAT mailgun_key MAILGUN_KEY pinecone_key
    wandb_key WANDB_KEY sendgrid_key datadog_key stripe_key serpapi_key tavily_key
    client_key service_key master_key token access_tok user_token ci_token NPM_TOKEN
    hf_token gitlab_token license_key subscription_key AZURE_STORAGE_KEY account_key
    storage_key cohere_key algolia_key s3_key githubtoken hmac_key webhook_key deploy_key
    groq_key mistral_key replicate_token telegram_token cookie auth sas
    """
)

_T = "§"
FORMS: Final = tuple(
    f"""
    train.py --password {_T} --lr 0.1
    lftp -u me,{_T} ftp.example.org
    sqlplus scott/{_T}@db
    cqlsh -u me -p {_T}
    xfreerdp /u:me /p:{_T} /v:host
    ConvertTo-SecureString "{_T}" -AsPlainText -Force
    client.set_password("{_T}")
    client.login("me", "{_T}")
    mc alias set m http://x minio {_T}
    rclone config create x sftp host h pass {_T}
    net use z: //srv/x {_T} /user:me
    enable secret 5 {_T}
    wifi psk={_T}
    train.py --password '{_T}' --lr 0.1
    train.py --password "{_T}"
    train.py --db-password={_T}
    ['train.py', '--secret', '{_T}', '--lr', '0.1']
    ["--password","{_T}"]
    ["python", "train.py", "--api-key", "{_T}"]
    curl -u me:{_T} https://host/x
    curl -s --user 'me:{_T}' https://host
    curl -X POST -H 'X-Api-Key: {_T}' https://host
    curl -H "Authorization: Token {_T}" https://host
    mysql -u root -p{_T} runs
    mysqldump -h db -uroot -p'{_T}' runs
    sshpass -p {_T} ssh me@host
    sshpass -p '{_T}' rsync a b
    docker login -u me -p {_T} registry.example
    podman login --username me -p "{_T}" quay.example
    echo {_T} | docker login -u me --password-stdin
    echo '{_T}' | sudo -S apt install x
    kubectl create secret generic db --from-literal=password={_T}
    kubectl create secret generic db --from-literal=user=me --from-literal=api_key='{_T}'
    helm install x --set auth.password={_T}
    docker run -e DB_PASSWORD={_T} image
    export PASSWORD={_T}
    set SMTP_PASS={_T}
    $env:DB_PASSWORD = "{_T}"
    PGPASSWORD={_T} psql -h db
    redis-cli -h cache -a {_T} ping
    mongosh -u me -p {_T} runs
    sqlcmd -S host -U sa -P {_T}
    ldapsearch -D cn=me -w {_T} -b dc=x
    smbclient //host/share -U me%{_T}
    7z x -p{_T} data.7z
    unzip -P {_T} data.zip
    openssl enc -d -aes-256-cbc -pass pass:{_T} -in x
    openssl rsa -in key.pem -passin pass:{_T}
    keytool -list -storepass {_T}
    gpg --batch --passphrase {_T} -d x
    htpasswd -bc file me {_T}
    ALTER USER me WITH PASSWORD '{_T}'
    CREATE USER me IDENTIFIED BY '{_T}'
    requests.get(url, auth=('me', '{_T}'))
    <password>{_T}</password>
    <db:password type="plain">{_T}</db:password>
    <property name="password" value="{_T}"/>
    <property name="db.password">{_T}</property>
    <add key="ApiKey" value="{_T}" />
    &lt;password&gt;{_T}&lt;/password&gt;
    {{"password": "{_T}"}}
    {{\\"password\\": \\"{_T}\\"}}
    {{"name": "DB_PASSWORD", "value": "{_T}"}}
    {{'user': 'me', 'password': b'{_T}'}}
    ('password', '{_T}')
    host: db↵user: me↵password: {_T}
    password:↵  {_T}↵lr: 0.1
    password: |↵  {_T}↵lr: 0.1
    db:↵  password: >-↵    {_T}↵  port: 5432
    env:↵  - name: DB_PASSWORD↵    value: {_T}
    user→me↵password→{_T}
    password →{_T}
    | password | {_T} |
    password := {_T}
    password -> {_T}
    'password' => '{_T}'
    passwort: {_T}
    Passwort = {_T}
    mot de passe: {_T}
    contraseña: {_T}
    пароль: {_T}
    密码：{_T}
    パスワード: {_T}
    비밀번호: {_T}
    the password is {_T}
    Password was "{_T}", sorry
    machine h login me password {_T}
    postgres://me:{_T}@db:5432/runs
    redis://:{_T}@cache/0
    https://me:{_T}@github.com/x/y.git
    Server=x;Uid=me;Pwd={_T};Timeout=5
    jdbc:mysql://db/x?user=me&password={_T}
    login?user=me%26password%3D{_T}
    aws_secret_access_key {_T}
    aws configure set aws_secret_access_key {_T}
    //registry.npmjs.org/:_authToken={_T}
    index-url = https://me:{_T}@pypi.example/simple
    db.password={_T}
    spring.datasource.password={_T}
    password={_T} # of the lab
    config.set("api_key", "{_T}")
    os.environ["DB_PASSWORD"] = "{_T}"
    """.strip().splitlines()
)  # fmt: skip

UNSEEN_NAMES: Final = _listed(
    """
    oracle_pwd VPN_PASSWORD minioPassword kafka.sasl.password elastic_password
    ssh_passphrase p12_password pdf_password zip_pass imap_pass jira_pass nexus_password
    vault_password ANSIBLE_VAULT_PASSWORD mqtt_password hasura_admin_secret oauth_secret
    stripe_webhook_secret django_secret_key flask_secret_key session_secret
    vapid_private_key signing_key x-auth-token private-token databricks_token
    dataRobotApiToken snowflake_password bigquery_credentials service_account_credentials
    kennwort_smtp zugangspasswort senha_do_banco chave_api chave_secreta palavra_passe
    password_di_accesso wifi_passwort hesloDb şifre_db пароль_smtp секрет_ключ 管理员密码 登录密码
    アクセストークン 데이터베이스_비밀번호 jelszo_db
    """
)
UNSEEN_FORMS: Final = tuple(
    f"""
    wget --user=me --http-password={_T} https://host
    http -a me:{_T} GET host/x
    rclone config create s3 --s3-secret-access-key {_T}
    java -Djavax.net.ssl.keyStorePassword={_T} -jar x
    ansible-playbook x.yml -e "db_password={_T}"
    terraform apply -var 'db_password={_T}'
    rabbitmqctl add_user me {_T}
    mariadb -uroot -p{_T}
    zip -P {_T} x.zip y
    az login --service-principal -u app -p {_T} --tenant t
    SET PASSWORD FOR 'me' = '{_T}'
    conn = connect(host="db", user="me", password="{_T}")
    engine = create_engine("postgresql+psycopg2://me:{_T}@db/runs")
    [client]↵user=me↵password="{_T}"
    <Data Name="Password">{_T}</Data>
    <clientSecret>{_T}</clientSecret>
    api:↵  key: x↵  secret: "{_T}"
    "secret_key":↵    "{_T}"
    Kennwort: {_T}
    Password→→{_T}
    senha: {_T}
    wachtwoord = {_T}
    ftp://me:{_T}@host/x
    mqtt://me:{_T}@broker
    args: ['--db-pass', '{_T}']
    DB_PASSWORD="{_T}" python train.py
    {{"auth": {{"password": "{_T}"}}}}
    --set-string db.password={_T}
    snowsql -u me --password={_T}
    passwd={_T};host=x
    """.strip().splitlines()
)  # fmt: skip

_PLACES: Final = (
    "{}",
    "ran with {}, see the wiki",
    '{{"x": "{}", "lr": 0.1}}',
    "run.py --x={} --lr 1",
)


def _planted_formats(kinds: tuple[str, ...], chance: random.Random) -> Iterator[Planted]:
    for kind in kinds:
        for place in chance.sample(_PLACES, 2):
            secret = of(kind)(chance)
            yield Planted(f"format {kind}", "note", place.format(secret), secret)


def _planted_names(
    names: tuple[str, ...], chance: random.Random, *, typed: bool
) -> Iterator[Planted]:
    for name in names:
        secret = (
            chance.choice(PASSWORDS)
            if typed
            else of(chance.choice(("{hex:32}", "{b62:40}")))(chance)
        )
        yield Planted(f"name {name}", name, secret, secret)


def _planted_forms(forms: tuple[str, ...], chance: random.Random) -> Iterator[Planted]:
    for form in forms:
        secret = chance.choice((*PASSWORDS[1:], of("{b62:32}")(chance)))
        text = form.strip().replace(_T, secret).replace("↵", "\n").replace("→", "\t")
        yield Planted(f"form {form.strip()}", "cmd", text, secret)


def planted(seed: int = 0) -> list[Planted]:
    """Give the credentials of kinds that the rules were checked with."""
    chance = random.Random(seed)
    return [
        *_planted_formats(FORMATS, chance),
        *_planted_names(NAMES, chance, typed=True),
        *_planted_names(ISSUED_NAMES, chance, typed=False),
        *_planted_forms(FORMS, chance),
    ]


def unseen(seed: int = 0) -> list[Planted]:
    """Give the credentials of kinds that were kept apart."""
    chance = random.Random(seed)
    return [
        *_planted_formats(UNSEEN_FORMATS, chance),
        *_planted_names(UNSEEN_NAMES, chance, typed=True),
        *_planted_forms(UNSEEN_FORMS, chance),
    ]
