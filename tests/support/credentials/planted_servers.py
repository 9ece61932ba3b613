"""A fourth set of credentials: settings of servers that people run themselves, code, SQL, commands.

Gathered while the rules were not changed; 168 of these 177 kinds were found then.
"""

import random
from collections.abc import Iterator
from typing import Final

from tests.support.credentials.planted import PASSWORDS, Planted, of
from tests.support.credentials.planted_later import filled

ISSUERS: Final = tuple(
    """
    v2.local.{url:120} sk-lf-{uuid} glsoat-{url:20} sbp_oauth_{hex:40} figoh_{b62:42}
    ghv_{b62:36} pypi-AgENdGVzdC5weXBpLm9yZw{url:80} dckr_oat_{url:32} dapi{hex:32}-2
    AKIA{b32:16} GOOG1E{up:56} kgat_{b62:32} cnvca{url:56} shptka_{hex:32} whsec_{b62:32}
    rk_"test_{b62:24} sq0csp-{url:43} xoxe.xoxp-1-{b62:146} hvb.{url:130} sntrya_{hex:64}
    lin_oauth_{hex:64} nfu_{b62:36} vck_{b62:56} glrtr-{url:20} dp.scim.{b62:43} hcbik_{low:58}
    phr_{b62:43} pscale_oauth_{url:43} EZTK{b62:54}
    """.replace('"', "").split()
)

NAMES: Final = tuple(
    line.strip().partition(" ")[::2]
    for line in """
    GOTRUE_EXTERNAL_GITHUB_SECRET {hex:40}
    TOLGEE_AUTHENTICATION_JWT_SECRET {b62:40}
    tolgee.authentication.initial-password §
    rootPassword §
    monitoringAgentPassword §
    KeyPassword §
    StorePassword §
    eumDbPassword §
    mailer_password §
    jwt_pass_phrase §
    SESSION_SECRET {b62:40}
    NEXTAUTH_SECRET {b62:43}
    PAPERLESS_SECRET_KEY {b62:50}
    PAPERLESS_ADMIN_PASSWORD §
    OUTLINE_UTILS_SECRET {hex:64}
    PLAUSIBLE_TOTP_VAULT_KEY {b62:43}=
    VAULTWARDEN_ADMIN_TOKEN {b62:48}
    N8N_ENCRYPTION_KEY {b62:32}
    DIRECTUS_ADMIN_TOKEN {b62:32}
    MATTERMOST_SQLSETTINGS_ATRESTENCRYPTKEY {b62:32}
    SYNAPSE_REGISTRATION_SHARED_SECRET {b62:50}
    macaroon_secret_key {b62:50}
    form_secret {b62:50}
    MASTODON_OTP_SECRET {hex:128}
    VAPID_PRIVATE_KEY {url:43}
    DISCOURSE_SMTP_PASSWORD §
    GHOST_MAIL_AUTH_PASS §
    mail__options__auth__pass §
    STRAPI_TRANSFER_TOKEN_SALT {b62:22}==
    APP_KEYS {b62:22}==
    HASURA_GRAPHQL_ADMIN_SECRET §
    KONG_PG_PASSWORD §
    TRAEFIK_HUB_TOKEN {uuid}
    CF_DNS_API_TOKEN {url:40}
    DUO_SKEY {b62:40}
    SPLUNK_HEC_TOKEN {uuid}
    SNOWSQL_PWD §
    TF_VAR_db_password §
    PULUMI_CONFIG_PASSPHRASE §
    """.strip().splitlines()
)

FORMS: Final = tuple(
    """
    credentials:↵  usernames:↵    admin:↵      password: §
    passwords:↵  admin:↵    me:↵      password: §
    turn_shared_secret: "{b62:40}"
    registration_shared_secret: "{b62:40}"
    email:↵  smtp_host: h↵  smtp_pass: "§"
    :secret: {hex:64}
    secretKey: "{hex:40}"
    "jwtSecret": "{b62:40}",
    jwt.secret={b62:64}
    session.secret = '{b62:32}'
    app.secret_key = '§'
    app.config['SECRET_KEY'] = '{hex:48}'
    app.config["MAIL_PASSWORD"] = "§"
    SQLALCHEMY_DATABASE_URI = 'mysql+pymysql://me:§@h/x'
    DATABASES = {'default': {'USER': 'me', 'PASSWORD': '§'}}
    EMAIL_HOST_PASSWORD = '§'
    mongoose.connect('mongodb+srv://me:§@c.mongodb.net/x')
    const client = new Client({ user: 'me', password: '§' })
    mysql.createConnection({host: 'h', user: 'me', password: '§'})
    sequelize = new Sequelize('db', 'me', '§', {dialect: 'mysql'})
    nodemailer: auth: { user: 'me@h', pass: '§' }
    jwt.sign({id: 1}, '{b62:40}')
    admin.initializeApp({apiKey: "{b62:39}"})
    firebaseConfig = { apiKey: '{b62:39}', projectId: 'x' }
    Twilio("ACx", authToken="{hex:32}")
    .apiSecret("{hex:40}")
    self.password = "§"
    this.password = '§';
    String dbPassword = "§";
    private String password = "§";
    static final String API_KEY = "{b62:40}";
    public const string ConnectionPassword = "§";
    let token = "{b62:40}"
    const apiSecret = '{hex:40}';
    var authToken: String = "{b62:40}"
    $password = '§';
    define("DB_PASS", "§");
    my $pass = "§";
    password: "§", # of the db
    config.secret_key_base = '{hex:128}'
    DB::connect(password: '§')
    conn <- dbConnect(drv, user="me", password="§")
    Sys.setenv(API_KEY = "{b62:40}")
    %env WANDB_API_KEY={hex:40}
    !kaggle config set -n key -v {hex:32}
    !huggingface-cli login --token §
    os.environ['KAGGLE_KEY'] = '{hex:32}'
    os.putenv("TOKEN", "§")
    getpass() or "§"
    export PASS="§"
    read -s PASS <<< "§"
    su - me -c "PASS=§ run"
    curl --pass § --cert c.pem https://h
    curl --proxy-pass § -x p https://h
    curl --tlspassword § https://h
    curl --oauth2-bearer {b62:60} https://h
    curl -H "PRIVATE-TOKEN: {b62:20}" https://h
    curl "https://h/api?token={b62:32}"
    wget --proxy-password=§ https://h
    gcloud iap web enable --oauth2-client-secret={b62:24}
    psql "host=h user=me password=§ dbname=x"
    psql postgresql://me:§@h/x
    pg_dump --dbname=postgresql://me:§@h/x
    mysql --user=me --password=§ x
    mysqladmin -u root password '§'
    GRANT ALL ON x.* TO 'me'@'h' IDENTIFIED BY '§';
    ALTER ROLE me ENCRYPTED PASSWORD '§';
    CREATE LOGIN me WITH PASSWORD = '§';
    CREATE SECRET s (TYPE s3, KEY_ID 'x', SECRET '{b62:40}');
    SET s3_secret_access_key='{b62:40}';
    ATTACH 'dbname=x user=me password=§ host=h' AS pg (TYPE postgres);
    COPY INTO x CREDENTIALS=(AWS_KEY_ID='x' AWS_SECRET_KEY='{b62:40}')
    spark.conf.set("fs.azure.account.key.x", "{b62:86}==")
    sc._jsc.hadoopConfiguration().set("fs.s3a.secret.key", "{b62:40}")
    fsspec.filesystem("sftp", host="h", username="me", password="§")
    storage_options={"secret": "{b62:40}"}
    git remote add o https://me:§@h/x.git
    git clone https://x-access-token:{b62:40}@h/x.git
    pip install -i https://me:§@h/simple x
    export HTTPS_PROXY=http://me:§@p:8080
    proxy = "http://me:§@p:3128"
    docker build --secret id=x --build-arg TOKEN=§ .
    docker service create --env DB_PASSWORD=§ x
    ansible_ssh_private_key_passphrase: §
    vault_db_password: "§"
    aws_secret_access_key = {b62:40}
    [default]↵aws_access_key_id = x↵aws_secret_access_key = {b62:40}
    "private_key": "-----BEGIN PRIVATE KEY-----\\nMII{b62:400}\\n-----END PRIVATE KEY-----\\n"
    client_secret: "{url:34}"
    "clientSecret" : "{b62:32}"
    oauth:↵  client_id: x↵  client_secret: §
    ldap:↵  bind_dn: cn=x↵  bind_password: §
    smtp:↵  user: me↵  password: §
    redis:↵  host: h↵  auth: §
    rabbitmq_default_pass = §
    default_pass = §
    s3:↵  access_key: x↵  secret: {b62:40}
    minio:↵  rootPassword: §
    wifi:↵  ssid: lab↵  password: §
    Password for me: §
    login: me / §
    user: me, pwd: §
    Zugang: me / Passwort: §
    Mot de passe : §
    Пароль: §
    密码: §
    pw: §
    PIN/Passwort: §
    passwd §
    """.strip().splitlines()
)


def servers(seed: int = 0) -> Iterator[Planted]:
    """Give the credentials as they are written in settings of servers, code and commands."""
    chance = random.Random(seed)
    for kind in ISSUERS:
        secret = of(kind)(chance)
        yield Planted(f"format {kind}", "note", f"ran with {secret}, see the wiki", secret)
    for name, kind in NAMES:
        secret = chance.choice(PASSWORDS[1:]) if kind == "§" else of(kind)(chance)
        yield Planted(f"name {name}", name, secret, secret)
    for form in FORMS:
        yield filled(form, chance)
