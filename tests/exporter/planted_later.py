"""Kinds of credentials that were gathered after the rules were written, and counted at first sight.

The formats are those that rule sets of others know and ours did not (TruffleHog's detectors, Nosey
Parker's rules: the fact of a format, nothing of their text); the places are the configuration files
and command lines of many programs, each as its manual describes it.
"""

from typing import Final


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

_T = "§"
LATER_FORMS: Final = tuple(
    f"""
    default login me password {_T}
    registry=https://npm.example/↵//npm.example/:_password={_T}
    //npm.example/:_auth={_T}
    [pypi]↵username = __token__↵password = {_T}
    {{"auths": {{"https://index.docker.io/v1/": {{"auth": "{{b64pair}}"}}}}}}
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
    Proxy-Authorization: Basic {{b64pair}}
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
    kind: Secret↵data:↵  db: {{b64secret}}
    secret: {{{{name: x, api: {_T}}}}}
    root:$6${{b62:16}}${{b62:86}}:19000:0:99999:7:::
    me:$apr1${{b62:8}}${{b62:22}}
    me:$2y$10${{b62:53}}
    $argon2id$v=19$m=65536,t=3,p=4${{b62:22}}${{b62:43}}
    pbkdf2_sha256$600000${{b62:22}}${{b62:43}}=
    """.strip().splitlines()
)  # fmt: skip
