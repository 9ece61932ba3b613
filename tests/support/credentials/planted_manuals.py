"""A third set of credentials: what issuers and the manuals of programs show.

Gathered while the rules were not changed. Formats and names are those of gitleaks' rules and of the
list of GitHub's secret scanning that no rule of ours had; forms are lines as the manuals of some
90 programs write them, none of which the sets before had. 153 of the 201 kinds were found then.
"""

import random
from collections.abc import Iterator
from typing import Final

from tests.support.credentials.planted import Planted, of
from tests.support.credentials.planted_later import filled


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


ISSUERS: Final = _listed(
    """
    xnd_development_{b62:60} ovsxat_{uuid} dvc_server_{hex:40} waka_{uuid} lip_{b62:20}
    access_token$production${low:16}${hex:32} SB-Mid-server-{url:24} cfxk_{b62:20}_{b62:5}
    KEY01{HEX:32}_{b62:22} da2-{low:26} JDC_{HEX:28} AKLT{b62:43} tss_{b62:36}
    api_live.{b62:11}.{b62:32} secret-token:mercury_production_wma_{b62:44}_yrucrem
    polar_oat_{b62:43} sk_sbox_{low:28} ion_{b62:42} EAAM{b62:120} {dig:15}|{url:27}
    sk-ant-admin01-{url:93}AA sk-ant-oat01-{url:93}AA pk_{dig:8}_{up:32} pat_{b62:64}
    sk-svcacct-{url:58}T3BlbkFJ{url:58} app-{b62:24} fastgpt-{b62:50}
    cpk_{hex:32}.{hex:32}.{b62:32} ms-{uuid} bce-v3/ALTAK-{b62:21}/{hex:40} {uuid}:{hex:32}
    local-{hex:40} jsrp_{b62:38} nbp_{b62:36} xau_{b62:37} fnAE{url:36} p.eyJ{b62:80}.{url:43}
    pk_prod_{up:28} md-{b62:22} secret-{b62:43} default:development.{hex:56} ser.{b62:22}
    lsv2_pt_{hex:32}_{hex:10} token-{low:5}:{low:54} AAAA{b62:7}:{url:140}
    K10{hex:64}::server:{hex:32}
    """
)

NAMES: Final = tuple(
    line.strip().partition(" ")[::2]
    for line in """
    ADAFRUIT_IO_KEY {b62:32}
    adobe_client_secret {hex:32}
    ALGOLIA_ADMIN_KEY {hex:32}
    ALIBABA_CLOUD_ACCESS_KEY_SECRET {b62:30}
    asana.client_secret {low:32}
    BITTREX_SECRET_KEY {hex:32}
    CODECOV_TOKEN {uuid}
    COINBASE_API_SECRET {b62:64}
    CONFLUENT_CLOUD_API_SECRET {b62:64}
    DRONE_TOKEN {b62:32}
    discordClientSecret {url:32}
    FASTLY_API_TOKEN {url:32}
    finicity_app_key {hex:32}
    FLICKR_SECRET {hex:16}
    freshbooksAccessToken {hex:64}
    gitter-access-token {hex:40}
    INTERCOM_ACCESS_TOKEN {b62:60}
    kucoin_secret_key {uuid}
    LINKEDIN_CLIENT_SECRET {b62:16}
    looker_client_secret {low:24}
    MATTERMOST_ACCESS_TOKEN {low:26}
    MERAKI_DASHBOARD_API_KEY {hex:40}
    messagebird_api_token {b62:25}
    NYT_API_KEY {b62:32}
    OKTA_API_TOKEN 00{url:40}
    sendbird_access_token {hex:40}
    BUNDLE_ENTERPRISE__CONTRIBSYS__COM {hex:8}:{hex:8}
    squarespace_access_token {uuid}
    SUMOLOGIC_ACCESSKEY {b62:64}
    travis_ci_token {b62:22}
    TRELLO_API_TOKEN {b62:32}
    TWITTER_BEARER_TOKEN AAAAAAAAAAAAAAAAAAAAAA{b62:80}
    zendesk_secret_key {hex:40}
    HEROKU_API_KEY {uuid}
    MICROSOFT_APP_PASSWORD {b62:34}
    PLIVO_AUTH_TOKEN {b62:40}
    proctorio_linkage_key {b62:24}
    DD_APP_KEY {hex:40}
    """.strip().splitlines()
)

_T = "§"
FORMS: Final = tuple(
    f"""
    ldap_default_authtok = {_T}
    sentinel auth-pass mymaster {_T}
    rpcpassword={_T}
    rpcauth=me:{{hex:32}}${{hex:64}}
    connect = host=localhost dbname=mail user=mail password={_T}
    hide mysql_servers = localhost/db/user/{_T}
    client nas {{{{↵  ipaddr = 10.0.0.1↵  secret = {_T}↵}}}}
    bob Cleartext-Password := "{_T}"
    wpa_passphrase={_T}
    sae_password={_T}|mac=ff:ff:ff:ff:ff:ff
    [vpn-secrets]↵Xauth password={_T}
    key "rndc-key" {{{{ algorithm hmac-sha256; secret "{{b62:43}}="; }}}};
    sql_password: "{_T}"
    component_secret = "{_T}"
    user=me:{_T}↵realm=example.org
    static-auth-secret={{hex:64}}
    [6001]↵type=auth↵username=6001↵password={_T}
    <source-password>{_T}</source-password>
    <Set name="KeyStorePassword">{_T}</Set>
    <credential-reference clear-text="{_T}"/>
    nifi.security.keystorePasswd={_T}
    user_super="{_T}"
    <cluster-password>{_T}</cluster-password>
    authorization {{{{ user: a, password: {_T} }}}}
    users = [ {{{{user: alice, password: {_T}}}}} ]
    remote_password {_T}
    dashboard.default_password = "{_T}"
    [admins]↵admin = {_T}
    couchbase-cli cluster-init --cluster-username me --cluster-password {_T}
    basic_auth:↵  username: a↵  password: {_T}
    smtp_auth_password: '{_T}'
    routing_key: {{hex:32}}
    output.elasticsearch.password: "{_T}"
    cloud.auth: "elastic:{_T}"
    <security>↵  shared_key {_T}↵</security>
    HTTP_Passwd {_T}
    action(type="ommysql" server="h" db="x" uid="u" pwd="{_T}")
    Director {{{{↵  Name = x↵  Password = "{_T}"↵}}}}
    encryption_passphrase: "{_T}"
    https://dav.example/ me {_T}
    remotepass = {_T}
    IMAPAccount x↵User me↵Pass {_T}
    /set irc.server.x.sasl_password {_T}
    sasl_password = "{_T}";
    "rpc-password": "{_T}",
    localclient:{_T}:10
    <apikey>{{b62:32}}</apikey>
    'dbpassword' => '{_T}',
    'passwordsalt' => '{{b62:30}}',
    $settings['hash_salt'] = '{{url:74}}';
    public $password = '{_T}';
    'crypt' => ['key' => '{{hex:32}}'],
    APP_SECRET={{hex:32}}
    $wgDBpassword = "{_T}";
    $wgSecretKey = "{{hex:64}}";
    $CFG->dbpass = '{_T}';
    $cfg['blowfish_secret'] = '{{b62:32}}';
    $dbpasswd = '{_T}';
    $config['des_key'] = '{{b62:24}}';
    PASSWD = `{_T}`
    LFS_JWT_SECRET = {{url:43}}
    DRONE_RPC_SECRET={{hex:32}}
    concourse web --add-local-user=me:{_T}
    Worker("w1", "{_T}")
    agent.auto.register.key={{uuid}}
    "encrypt": "{{b62:43}}="
    cache_peer h parent 3128 0 no-query login=me:{_T}
    users me:CL:{_T}
    {{{{"server": "h", "method": "aes-256-gcm", "password": "{_T}"}}}}
    "password": ["{_T}"],
    ike-1 {{{{↵  secret = "{_T}"↵}}}}
    authtoken: {{b62:27}}_{{b62:21}}
    {{{{"AccountTag":"x","TunnelSecret":"{{b62:43}}="}}}}
    ota:↵  - platform: esphome↵    password: "{_T}"
    api:↵  encryption:↵    key: "{{b62:43}}="
    WEBPASSWORD={_T}
    spark.authenticate.secret={_T}
    <name>fs.s3a.secret.key</name><value>{{b62:40}}</value>
    <name>javax.jdo.option.ConnectionPassword</name>↵<value>{_T}</value>
    connection-password={_T}
    s3.secret-key: {{b62:40}}
    outputs:↵  dev:↵    type: postgres↵    user: me↵    pass: {_T}
    MB_DB_PASS={_T}
    REDASH_COOKIE_SECRET={{b62:32}}
    xpack.encryptedSavedObjects.encryptionKey: {{b62:32}}
    ['remote "x"']↵    password = {_T}
    StoragePass={_T}
    MONITOR ups@localhost 1 me {_T} primary
    $USER3$={_T}
    object ApiUser "root" {{{{↵  password = "{_T}"↵}}}}
    mosquitto_passwd -b file me {_T}
    mongodump --username me --password={_T}
    sqlpackage /Action:Publish /TargetPassword:{_T}
    az sql server create -u me --admin-password {_T}
    aws rds create-db-instance --master-user-password {_T}
    doctl auth init -t {{b62:64}}
    consul members -http-token={{uuid}}
    kubectl config set-credentials me --username=me --password={_T}
    argocd account update-password --current-password {_T}
    mc admin user add x me {_T}
    wpa_passphrase lab {_T}
    nmcli dev wifi connect lab password {_T}
    iwctl --passphrase {_T} station wlan0 connect lab
    security add-generic-password -a me -s x -w {_T}
    qpdf --password={_T} --decrypt a.pdf b.pdf
    pdftk a.pdf input_pw {_T} output b.pdf
    ffmpeg -decryption_key {{hex:32}} -i x.mp4 y.mp4
    yt-dlp -u me -p {_T} https://h/x
    yt-dlp --video-password {_T} https://h/x
    kopia repository connect s3 --password={_T}
    steamcmd +login me {_T} +quit
    rcon.password={_T}
    x11vnc -passwd {_T}
    dsmod user cn=x -pwd {_T}
    wmic /node:h /user:me /password:{_T} os get name
    winrs -r:h -u:me -p:{_T} cmd
    pscp -pw {_T} x me@h:
    """.strip().splitlines()
)  # fmt: skip


def manuals(seed: int = 0) -> Iterator[Planted]:
    """Give the credentials of the kinds that issuers and manuals show."""
    chance = random.Random(seed)
    for kind in ISSUERS:
        secret = of(kind)(chance)
        yield Planted(f"format {kind}", "note", f"ran with {secret}, see the wiki", secret)
    for name, kind in NAMES:
        secret = of(kind.strip())(chance)
        yield Planted(f"name {name}", name, secret, secret)
    for form in FORMS:
        yield filled(form, chance)
