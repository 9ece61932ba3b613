"""Kinds of credentials that were gathered after the rules were written, and counted at first sight.

Of the first set (219 kinds) 157 were found then, of the second (122) 108; the rest shaped the
rules, so that all of these are checked kinds now.

The formats are those that rule sets of others know and ours did not (TruffleHog's detectors, Nosey
Parker's rules: the fact of a format, nothing of their text); the places are the configuration files
and command lines of many programs, each as its manual describes it.
"""

import base64
import random
import re
from collections.abc import Iterator
from typing import Final

from tests.support.credentials.planted import PASSWORDS, Planted, of


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


LATER_FORMATS: Final = _listed(
    """
    aio_{b62:28} {b62:12}.v1.{url:40}.{hex:64} 1.A{url:60}.Ag{url:260} {b62:42}+ACR{b62:6}
    bb_pr_{hex:30} bb_ma_{hex:30} api_{b62:22}.{b62:22} ddp_{b62:36} ddw_{b62:36} web_{hex:32}
    figp_{url:44} flb_live_{b62:20} shltm_{url:40} na1.{b62:100} master-{b62:20} account-{b62:20}
    gloas-{hex:64} live_{url:40} pk_{hex:34} pk.{b62:32} u-s4t2ud-{hex:64} eu01xx{hex:26}FFFFNRAL
    AA{hex:40}-NRMA NF-{b62:32} ak_live_{b62:30} sk_live_{b62:40} pub-c-{uuid}
    ramp_sec_{b62:48} rh-api-{uuid} rootly_{hex:64} salad_cloud_{b62:7}_{b62:50}
    3MVG9{b62:80} 5AEP861{b62:90} sqco_{b62:59} pi_{b62:24}_secret_{b62:25}
    thog-secret-{hex:32} thog-key-{hex:16} BBFF-{b62:30} VF.DM.{hex:24}.{b62:16}
    https://hooks.zapier.com/hooks/catch/{dig:7}/{low:7}
    https://acme.tines.com/webhook/{hex:32}/{hex:32} 1000.{hex:32}.{hex:32} act_{low:24}
    odt_{b62:32} hawk.{url:20}.{url:20} sgp_{b62:64} oa2-client-id_{url:32}
    ramp_id_{b62:40} API_KEY{up:32} endr+{b62:16} sandbox-sq0idb-{url:22}
    SCWSECRET_{uuid} dd_live_{b62:32} xkey-{low:40}
    """
)

LAST_FORMATS: Final = _listed(
    """
    rpk_{b62:40} kpat_{b62:50} pdsk_{b62:32} stk_live_{hex:40} mrt_{low:40} gha_{b62:36}
    cpl-{hex:64} nbk_{hex:48} tlk.{b62:40} wfx_prod_{b62:36} lnk_sandbox_{uuid} dpn_{up:32}
    qk-{b62:22}-{b62:22} hsk_{hex:32} zgt_{low:36} mlk_v1_{hex:64} acct_token_{hex:32} fbk-{up:28}
    grd_{b62:24}.{b62:32} syn_{b62:44}
    """
)
"""Invented, as an issuer of tomorrow would: a short prefix, and a length that is usual."""

_T = "§"
LATER_FORMS: Final = tuple(
    f"""
    default login me password {_T}
    registry=https://npm.example/↵//npm.example/:_password={_T}
    //npm.example/:_auth={_T}
    [pypi]↵username = __token__↵password = {_T}
    {{"auths": {{"https://index.docker.io/v1/": {{"auth": "{{pair}}"}}}}}}
    users:↵- name: admin↵  user:↵    token: {{low:60}}
    users:↵- name: admin↵  user:↵    client-key-data: {{b62:200}}
    [mysqldump]↵user=me↵password='{_T}'
    define( 'DB_PASSWORD', '{_T}' );
    define('AUTH_KEY', '{{b62:64}}');
    define('SECURE_AUTH_SALT', '{{b62:64}}');
    spring.mail.password={_T}
    server.ssl.key-store-password={_T}
    jdbc:oracle:thin:scott/{_T}@db:1521/orcl
    jdbc:sqlserver://db:1433;databaseName=x;user=sa;password={_T};
    jdbc:postgresql://db/x?user=me&password={_T}&ssl=true
    Driver={{{{ODBC Driver 18 for SQL Server}}}};Server=db;UID=me;PWD={_T};
    DSN=runs;UID=me;PWD={_T}
    DefaultEndpointsProtocol=https;AccountName=x;AccountKey={{b62:86}}==;EndpointSuffix=core.windows.net
    Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={{b62:43}}=
    HostName=x.azure-devices.net;DeviceId=d;SharedAccessKey={{b62:43}}=
    Endpoint=https://x.azconfig.io;Id={{b62:20}};Secret={{b62:43}}=
    AccountEndpoint=https://x.documents.azure.com:443/;AccountKey={{b62:86}}==;
    [remote]↵type = sftp↵host = h↵user = me↵pass = {_T}
    [gd]↵type = drive↵token = {{{{"access_token":"{{url:60}}","token_type":"Bearer"}}}}
    [default]↵access_key = x↵secret_key = {{b62:40}}
    [Credentials]↵gs_oauth2_refresh_token = {{b62:40}}
    account default↵host smtp.example.com↵user me↵password {_T}
    network={{{{↵  ssid="lab"↵  psk="{_T}"↵}}}}
    ansible_become_password: {_T}
    ansible_ssh_pass={_T}
    ansible_become_pass='{_T}'
    db_password = "{_T}"↵region = "eu-west-1"
    auth:↵  rootPassword: {_T}
    postgresql:↵  auth:↵    postgresPassword: {_T}
    storePassword={_T}↵keyAlias=upload
    keytool -genkey -keypass {_T} -alias x
    $pw = ConvertTo-SecureString -String '{_T}' -AsPlainText -Force
    net user ada {_T} /add
    redis-cli AUTH {_T}
    requirepass {_T}
    masterauth {_T}
    mongosh --username me --password {_T} mongodb://h
    mongodb://me:{_T}@h1:27017,h2:27017/?replicaSet=rs
    PGPASSWORD='{_T}' pg_dump runs
    ldapadd -x -D cn=admin -w {_T} -f x.ldif
    rootpw {_T}
    olcRootPW: {_T}
    bindpw {_T}
    smbclient -U DOM/me%{_T} //srv/x
    mount -t cifs //srv/x /mnt -o username=me,password={_T}
    username=me↵password={_T}↵domain=LAB
    RESTIC_PASSWORD={_T} restic backup /data
    BORG_PASSPHRASE='{_T}' borg create x
    vault kv put secret/db password={_T}
    vault write auth/userpass/users/me password={_T}
    vault operator unseal {{b62:44}}
    vault login {{b62:26}}
    otpauth://totp/Lab:me?secret={{b32:32}}&issuer=Lab
    totp_secret: {{b32:32}}
    Set-Cookie: sessionid={{b62:32}}; HttpOnly
    Cookie: sessionid={{b62:32}}; csrftoken={{b62:64}}
    csrf_token={{b62:64}}
    X-CSRFToken: {{b62:64}}
    mnemonic: abandon ability able about above absent absorb abstract absurd abuse access accident
    seed_phrase="legal winner thank year wave sausage worth useful legal winner thank yellow"
    [Interface]↵PrivateKey = {{b62:43}}=
    PresharedKey = {{b62:43}}=
    ppp: me * "{_T}" *
    poll mail.example proto imap user "me" pass "{_T}"
    set imap_pass = "{_T}"
    set smtp_pass="{_T}"
    relayhost smtp.example:587 me:{_T}
    [smtp.example]:587 me:{_T}
    defaults auth=plain↵AuthPass={_T}
    hub.example:5432:*:me:{_T}
    scp://me:{_T}@host/x
    sftp://me:{_T}@host:22/x
    amqp://me:{_T}@mq/vhost
    sqlalchemy.url = mysql://me:{_T}@db/x
    DATABASE_URL=postgresql://me:{_T}@db/x
    CELERY_BROKER_URL=redis://:{_T}@cache:6379/1
    Proxy-Authorization: Basic {{pair}}
    git clone https://oauth2:{_T}@gitlab.example/x.git
    git -c http.extraheader="AUTHORIZATION: bearer {_T}" fetch
    git config user.password {_T}
    helm registry login -u me -p {_T} r.example
    aws configure set aws_session_token {{b62:200}}
    az storage blob list --account-key {{b62:86}}==
    az acr login --name x --username me --password {_T}
    gcloud sql users set-password me --password={_T}
    heroku config:set SECRET_KEY_BASE={{hex:128}}
    flyctl secrets set API_TOKEN={_T}
    gh secret set TOKEN --body "{_T}"
    wrangler secret put KEY <<< "{_T}"
    wandb login --relogin {{hex:40}}
    huggingface-cli login --token {_T}
    kaggle: {{{{"username":"me","key":"{{hex:32}}"}}}}
    comet login --api-key {_T}
    clearml-init: credentials {{{{"access_key": "{{up:20}}", "secret_key": "{{b62:50}}"}}}}
    api {{{{ credentials {{{{ access_key: "x", secret_key: "{{b62:50}}" }}}} }}}}
    dvc remote modify --local x password {_T}
    dvc remote modify x secret_access_key {{b62:40}}
    mlflow: MLFLOW_TRACKING_PASSWORD={_T}
    s3cmd --secret_key={{b62:40}} ls
    aria2c --http-passwd={_T} https://h/x
    aria2c --rpc-secret={_T}
    wget --ftp-password={_T} ftp://h/x
    lftp -e "open -u me,{_T} h"
    ncftpput -u me -p {_T} h /d x
    psexec //srv -u me -p {_T} cmd
    rdesktop -u me -p {_T} srv
    ipmitool -H h -U me -P {_T} power on
    snmpwalk -v3 -A {_T} -X x1 h
    sqlite3 x "PRAGMA key='{_T}'"
    gpg --passphrase={_T} -c x
    openssl pkcs12 -export -passout pass:{_T}
    cryptsetup: echo -n {_T} | cryptsetup open /dev/x y
    ssh-keygen -N '{_T}' -f id
    jupyter notebook --NotebookApp.token={_T}
    jupyter lab --ServerApp.password='argon2:{_T}'
    c.NotebookApp.token = '{_T}'
    http://localhost:8888/?token={{hex:48}}
    http://localhost:8888/lab?token={{hex:48}}
    ray start --redis-password={_T}
    influx -username me -password {_T}
    clickhouse-client --password {_T}
    cypher-shell -u neo4j -p {_T}
    NEO4J_AUTH=neo4j/{_T}
    etcdctl --user root:{_T} get x
    kafka: sasl.jaas.config=PlainLoginModule required username="me" password="{_T}";
    mosquitto_pub -h h -u me -P {_T} -t x
    rabbitmqadmin -u me -p {_T} list queues
    snowsql: accountname=x↵username=me↵password={_T}
    {{{{"refresh_token": "{{b62:60}}", "type": "authorized_user"}}}}
    sentry: https://{{hex:32}}:{{hex:32}}@sentry.example/2
    https://s3.example/x?AWSAccessKeyId=x&Signature={{b62:27}}%3D&Expires=17
    https://storage.googleapis.com/x?X-Goog-Algorithm=G&X-Goog-Signature={{hex:256}}
    https://cdn.example/x?Expires=1&Signature={{url:200}}&Key-Pair-Id=K
    https://acc.blob.core.windows.net/c/b?sv=2023&sig={{b62:43}}%3D
    https://outlook.office.com/webhook/{{uuid}}@{{uuid}}/IncomingWebhook/{{hex:32}}/{{uuid}}
    https://api.telegram.org/bot123456789:{{url:35}}/sendMessage
    https://maps.example/js?key={{b62:39}}
    https://api.example/v1?apikey={{hex:32}}
    https://api.example/v1?appid={{hex:32}}
    <server><username>me</username><password>{_T}</password></server>
    <connectionStrings><add name="x" connectionString="Server=s;Password={_T}"/></connectionStrings>
    <add key="smtpPassword" value="{_T}"/>
    <x><add key="ClearTextPassword" value="{_T}"/></x>
    <user username="admin" password="{_T}" roles="manager"/>
    gradle: signing.password={_T}
    sonar.login={{hex:40}}
    nexusPassword={_T}
    environment:↵  - MYSQL_ROOT_PASSWORD={_T}
    environment:↵  POSTGRES_PASSWORD: {_T}
    ENV API_SECRET={_T}
    ARG GITHUB_TOKEN={_T}
    stringData:↵  password: {_T}
    kind: Secret↵data:↵  db: {{word}}
    secret: {{{{name: x, api: {_T}}}}}
    root:$6${{b62:16}}${{b62:86}}:19000:0:99999:7:::
    me:$apr1${{b62:8}}${{b62:22}}
    me:$2y$10${{b62:53}}
    $argon2id$v=19$m=65536,t=3,p=4${{b62:22}}${{b62:43}}
    pbkdf2_sha256$600000${{b62:22}}${{b62:43}}=
    """.strip().splitlines()
)  # fmt: skip

LAST_FORMS: Final = tuple(
    f"""
    [database]↵username = airflow↵password = {_T}
    sql_alchemy_conn = postgresql+psycopg2://airflow:{_T}@db/airflow
    fernet_key = {{b62:43}}=
    [email]↵smtp_password: {_T}
    [remote "origin"]↵url = https://me:{_T}@git.example/x.git
    DJANGO_SUPERUSER_PASSWORD={_T}
    SECRET_KEY = 'django-insecure-{{b62:50}}'
    secret_key_base: {{hex:128}}
    production:↵  adapter: postgresql↵  username: me↵  password: {_T}
    APP_KEY=base64:{{b62:43}}=
    'mysql' => ['username' => 'me', 'password' => '{_T}']
    $CONF['dbpass'] = '{_T}';
    $db_pass = "{_T}";
    xpack.security.authc.password: {_T}
    elasticsearch.password: "{_T}"
    admin_password = {_T}
    gitlab_rails['smtp_password'] = "{_T}"
    external: hikari.password={_T}
    hibernate.connection.password={_T}
    javax.persistence.jdbc.password={_T}
    quarkus.datasource.password={_T}
    ssl.keystore.password={_T}
    ssl.truststore.password={_T}
    sasl.password={_T}
    sasl.oauthbearer.client.secret={_T}
    fs.s3a.secret.key={{b62:40}}
    fs.azure.account.key.x.dfs.core.windows.net={{b62:86}}==
    fs.azure.account.oauth2.client.secret={_T}
    --conf spark.hadoop.fs.s3a.secret.key={{b62:40}}
    sfdp: snowflake://me:{_T}@acc/db
    clickhouse://me:{_T}@h:9000/x
    trino://me:{_T}@h:8443/x
    cassandra: auth_provider = PlainTextAuthProvider(username='me', password='{_T}')
    ldap: bind_dn=cn=x↵bind_password={_T}
    AuthLDAPBindPassword "{_T}"
    SSLPassPhrase {_T}
    auth_basic me:{_T}
    proxy_set_header Authorization "Basic {{pair}}";
    haproxy: user me insecure-password {_T}
    stats auth me:{_T}
    frp: auth.token = "{_T}"
    wg-quick PresharedKey={{b62:43}}=
    ipsec: me : PSK "{_T}"
    snmp: createUser me SHA "{_T}" AES
    community: com2sec ro default {_T}
    zabbix: DBPassword={_T}
    nagios: password="{_T}"
    grafana: GF_SECURITY_ADMIN_PASSWORD={_T}
    minio: MINIO_ROOT_PASSWORD={_T}
    labelstudio start --username me --password {_T}
    cvat-cli --auth me:{_T} ls
    fiftyone: FIFTYONE_DATABASE_URI=mongodb://me:{_T}@h
    optuna create-study --storage mysql://me:{_T}@h/x
    sacred: MongoObserver(url='mongodb://me:{_T}@h/x')
    neptune.init_run(api_token="{_T}")
    wandb.login(key="{{hex:40}}")
    login(token="{_T}")
    openai.api_key = "{_T}"
    client = OpenAI(api_key="{_T}")
    boto3.client('s3', aws_secret_access_key='{{b62:40}}')
    S3FileSystem(key='x', secret='{{b62:40}}')
    storage_options={{{{'account_key': '{{b62:86}}=='}}}}
    pysftp.Connection('h', username='me', password='{_T}')
    smtplib: server.login('me', '{_T}')
    paramiko: ssh.connect('h', username='me', password='{_T}')
    psycopg2.connect("dbname=x user=me password={_T}")
    pymysql.connect(host='h', user='me', passwd='{_T}')
    cx_Oracle.connect('me', '{_T}', 'h/x')
    redis.Redis(host='h', password='{_T}')
    requests.get(u, headers={{{{'X-Auth-Token': '{_T}'}}}})
    HTTPBasicAuth('me', '{_T}')
    dask: Security(tls_password="{_T}")
    export AWS_SESSION_TOKEN={{b62:200}}
    setx API_KEY {_T}
    export HISTCONTROL=x; export SLURM_JWT={{b62:60}}
    docker secret create db {_T}
    ssh me@h "export TOKEN={_T}; run"
    curl -d 'username=me&password={_T}' https://h/login
    curl -F token={_T} https://h/x
    curl -b 'session={{b62:40}}' https://h
    wget --header='Authorization: Bearer {_T}' https://h/x
    http POST h/x 'X-API-Key:{_T}'
    skopeo copy --src-creds me:{_T} docker://a docker://b
    skopeo copy --dest-creds=me:{_T} a b
    podman pull --creds me:{_T} r/x
    singularity pull --docker-password {_T} x
    twine upload -u __token__ -p {_T} dist/*
    poetry config http-basic.x me {_T}
    poetry config pypi-token.pypi {_T}
    npm config set //r.example/:_authToken {_T}
    pip install --index-url https://me:{_T}@pypi.example/simple x
    conda config --set channel_alias https://me:{_T}@c.example
    nuget sources add -Name x -UserName me -Password {_T}
    mvn deploy -Drepo.password={_T}
    svn co --username me --password {_T} https://h
    hg pull https://me:{_T}@h/x
    kinit: echo '{_T}' | kinit me
    winexe -U dom/me%{_T} //h cmd
    evil-winrm -i h -u me -p {_T}
    cmdkey /add:h /user:me /pass:{_T}
    runas: schtasks /create /ru me /rp {_T}
    New-Object PSCredential('me', (ConvertTo-SecureString '{_T}' -AsPlainText -Force))
    """.strip().splitlines()
)  # fmt: skip

_PLACES: Final = ("{}", "ran with {}, see the wiki")
_DRAWN: Final = re.compile(r"\{(?P<kind>pair|word|\w+:\d+|uuid)\}")


def _value(kind: str, chance: random.Random) -> str:
    word = of("{b62:12}")(chance)
    if kind in {"pair", "word"}:
        return base64.b64encode(f"me:{word}".encode() if kind == "pair" else word.encode()).decode()
    return of("{" + kind + "}")(chance)


def filled(form: str, chance: random.Random) -> Planted:
    """Put passwords and drawn words into a form; without either, what follows the name is it."""
    secret, text = "", form.strip()
    if _T in text:
        secret = chance.choice(PASSWORDS[1:])
        text = text.replace(_T, secret)
    while drawn := _DRAWN.search(text):
        value = _value(drawn["kind"], chance)
        text = text[: drawn.start()] + value + text[drawn.end() :]
        secret = value if _T not in form else secret
    secret = secret or re.split('[:=] ?"?', text, maxsplit=1)[1].strip('"')
    text = text.replace("{{", "{").replace("}}", "}").replace("↵", "\n")
    return Planted(f"form {form.strip()}", "cmd", text, secret)


def later(seed: int = 0) -> Iterator[Planted]:
    """Give the credentials of the kinds that were gathered later."""
    chance = random.Random(seed)
    for kind in (*LATER_FORMATS, *LAST_FORMATS):
        secret = of(kind)(chance)
        yield Planted(f"format {kind}", "note", chance.choice(_PLACES).format(secret), secret)
    for form in (*LATER_FORMS, *LAST_FORMS):
        yield filled(form, chance)
