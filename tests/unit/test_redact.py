"""Secrets are hidden by pattern wherever they stand, and ordinary lines stay readable."""

from __future__ import annotations

import json
import pprint
import re
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.model.redact import HIDDEN, mask, mask_counted, url_passwords
from bootcheck.model.redactor import Redactor, secrets_of

PLANTED = "hunter22XYZ"
BASIC = b64encode(f"ann:{PLANTED}".encode()).decode()
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\nMIIEow{PLANTED}\nabc{PLANTED}\n-----END RSA PRIVATE KEY-----"

WITH_SECRETS = {
    "url": f"postgresql://ann:{PLANTED}@db:5432/shop",
    "url without user": f"redis://:{PLANTED}@cache:6379/0",
    "url with an @ in the user": f"postgresql://ann@server:{PLANTED}@db/shop",
    "url with an @ in the password": f"postgresql://ann:a@{PLANTED}@db/shop",
    "url with a slash": f"postgresql://ann:a/b?{PLANTED}#c@db/shop",
    "url in a sentence": f'could not connect to "mysql+pymysql://ann:{PLANTED}@db/x": refused',
    "two urls": f"a://x:{PLANTED}@h b://y:{PLANTED}@h",
    "token as user": f"https://ghx{PLANTED}0123456789@example.com/repo.git",
    "token as user with a password": f"https://{PLANTED}0123456789abcdef:x-oauth-basic@example.com/r",
    "query": f"https://example.com/cb?state=1&access_token={PLANTED}&x=1",
    "query of a key": f"https://maps.example.com/api?key={PLANTED}",
    "query of a signature": f"https://b.example.com/f?X-Amz-Signature={PLANTED}&sig={PLANTED}",
    "fragment": f"https://example.com/cb#id_token={PLANTED}",
    "assignment": f"DB_PASSWORD={PLANTED}",
    "assignment with spaces": f"password = {PLANTED}",
    "assignment of a short name": f"SMTP_PASS={PLANTED} MYSQL_PW={PLANTED}",
    "assignment of a key": f"STRIPE_KEY={PLANTED} FERNET_KEY={PLANTED}",
    "assignment in quotes": f"password='{PLANTED} and more {PLANTED}'",
    "assignment cut in the middle": f"password='{PLANTED} and mo",
    "assignment with an escape": f"password='a\\'{PLANTED}'",
    "assignment of bytes": f"secret=b'{PLANTED}'",
    "assignment with a comma": f"password=a,{PLANTED}",
    "assignment of a type": f'    token: str = "{PLANTED}"',
    "assignment as an option": f"connect(host='h', password='{PLANTED}')",
    "comparison": f"if password == '{PLANTED}':",
    "conninfo": f"host=db user=ann password={PLANTED} dbname=x",
    "odbc": f"DRIVER={{x}};SERVER=h;UID=ann;PWD={PLANTED};",
    "odbc in braces": f"PWD={{a;{PLANTED}}};UID=x",
    "dict": f"{{'password': '{PLANTED}', 'user': 'ann'}}",
    "dict of bytes": f"{{'password': b'{PLANTED}'}}",
    "json": f'{{"api_key": "{PLANTED}", "n": 1}}',
    "json in json": json.dumps(json.dumps({"token": f"{PLANTED} {PLANTED}", "n": 1})),
    "json cut in the middle": f'{{"client_secret": "{PLANTED}',
    "tuple": f"('password', '{PLANTED}')",
    "list of headers": f'[["authorization", "Bearer {PLANTED}"], ["x-api-key", "{PLANTED}"]]',
    "default in the code": f'KEY = os.environ.get("SECRET_KEY", "{PLANTED}")',
    "yaml": f"db:\n  password: {PLANTED}\n",
    "yaml in quotes": f'password: "{PLANTED} and {PLANTED}"',
    "header": f"Authorization: Bearer {PLANTED}",
    "header of digest": f'Authorization: Digest username="ann", nonce="{PLANTED}", response="{PLANTED}"',
    "header in a dict": f"{{'Authorization': 'Token {PLANTED}'}}",
    "header of wsgi": f"{{'HTTP_AUTHORIZATION': 'Bearer {PLANTED}', 'HTTP_COOKIE': 'sid={PLANTED}'}}",
    "header of a key": f"X-Api-Key: {PLANTED}",
    "basic": f"proxy said: Basic {BASIC}",
    "bearer": f"sent bearer {PLANTED}0123456789",
    "cookie": f"Cookie: session={PLANTED}; theme=dark; csrf={PLANTED}",
    "set-cookie": f"Set-Cookie: sid={PLANTED}; HttpOnly",
    "pem": PEM,
    "pem in a line": PEM.replace("\n", "\\n"),
    "pem cut in the middle": PEM[:60],
    "sql parameters": f"[SQL: INSERT …]\n[parameters: ('ann', '{PLANTED}')]\n(Background on this error at: https://x)",
    "sql parameters with brackets": f"[parameters: {{'a': [1]\n, 'b': '{PLANTED}'}}]\n(Background on this error at: x)",
    "sql parameters alone": f"[parameters: ('{PLANTED}',)]\nnext line",
    "sql parameters in a line": f"x\\n[parameters: ('{PLANTED}',)]\\n(Background on this error at: x)",
    "sql parameters cut in the middle": f"[parameters: ('ann', '{PLANTED}', 'and mo",
    "sql literal": f"LINE 1: ALTER ROLE ann PASSWORD '{PLANTED}'",
    "sql literal of mysql": f"CREATE USER ann IDENTIFIED BY '{PLANTED}'",
    "sql row": f"DETAIL:  Failing row contains (1, ann, {PLANTED}).",
    "sql key": f"DETAIL:  Key (email)=({PLANTED}) already exists.",
    "sql duplicate": f"(1062, \"Duplicate entry '{PLANTED}' for key 'users.token'\")",
    "option": f"app --password {PLANTED} --port 80",
    "option with an equals sign": f"app --db-password={PLANTED}",
    "option in a list": f"['app', '--api-key', '{PLANTED}', '--port', '80']",
    "mysql": f"mysql -h db -p{PLANTED} shop",
    "curl": f"curl -u ann:{PLANTED} https://x",
    "redis-cli": f"redis-cli -h x -a {PLANTED}",
    "slack": f"https://hooks.slack.com/services/T000/B000/{PLANTED}",
}


@pytest.mark.parametrize("text", WITH_SECRETS.values(), ids=WITH_SECRETS)
def test_a_planted_secret_is_hidden(text):
    """No form of it is left, and it was counted."""
    masked, count = mask_counted(text)

    assert PLANTED not in masked
    assert PLANTED[:6] not in masked
    assert BASIC[:10] not in masked
    assert HIDDEN in masked
    assert count >= 1


@pytest.mark.parametrize(
    "token",
    [
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2" * 9,
        "glpat-" + "a1B2" * 5,
        "xoxb-1234567890-abcdef",
        "sk_live_" + "a1B2" * 6,
        "sk-proj-" + "a1B2" * 6,
        "AKIAIOSFODNN7EXAMPLE",
        "AIza" + "a1B2c" * 7,
        "npm_" + "a1B2" * 9,
        JWT,
    ],
)
def test_tokens_of_services_are_known_by_their_shape(token):
    """They are hidden wherever they stand, without a name beside them."""
    assert mask(f"the value {token} was refused") == f"the value {HIDDEN} was refused"


ORDINARY = [
    "[2026-01-01 10:00:00 +0000] [12] [INFO] Starting gunicorn 23.0.0",
    "[2026-01-01 10:00:00 +0000] [12] [INFO] Listening at: http://127.0.0.1:8000 (12)",
    "[2026-01-01 10:00:00 +0000] [12] [INFO] Listening at: unix:/run/app.sock,http://[::1]:80 (12)",
    "[2026-01-01 10:00:00 +0000] [12] [INFO] Using worker: sync",
    "[2026-01-01 10:00:00 +0000] [13] [INFO] Booting worker with pid: 13",
    "[2026-01-01 10:00:00 +0000] [13] [INFO] Worker exiting (pid: 12)",
    "[2026-01-01 10:00:00 +0000] [12] [INFO] Handling signal: hup",
    "[2026-01-01 10:00:00 +0000] [12] [INFO] Handling signal: term",
    "[2026-01-01 10:00:00 +0000] [12] [CRITICAL] WORKER TIMEOUT (pid:13)",
    "[2026-01-01 10:00:00 +0000] [12] [ERROR] Worker (pid:13) was sent SIGKILL! Perhaps out of memory?",
    "[2026-01-01 10:00:00 +0000] [12] [ERROR] Connection in use: ('127.0.0.1', 8000)",
    "[2026-01-01 10:00:00 +0000] [12] [ERROR] Invalid address: ('192.0.2.1', 8000)",
    "[2026-01-01 10:00:00 +0000] [12] [INFO] Shutting down: Master",
    "[2026-01-01 10:00:00 +0000] [12] [INFO] Reason: Worker failed to boot.",
    '127.0.0.1 - - [01/Jan/2026:10:00:00 +0000] "GET /a?page=2&sort=key HTTP/1.1" 200 13 "-" "curl/8.5"',
    "KeyError: 'SECRET_KEY'",
    "    SECRET_KEY = os.environ['SECRET_KEY']",
    "    password = self.settings.password",
    "RuntimeError: The session is unavailable because no secret key was set.",
    "missing variables: ['SECRET_KEY', 'DATABASE_URL']",
    "sqlalchemy.exc.OperationalError: (psycopg.OperationalError) connection refused",
    'FATAL:  password authentication failed for user "ann"',
    "(1045, \"Access denied for user 'ann'@'localhost' (using password: YES)\")",
    "psycopg2.connect(dsn, connection_factory=connection_factory, **kwasync)",
    "id = Column(Integer, primary_key=True)",
    "sorted(found, key=lambda pair: pair[0])",
    "render → production → basic configuration classes in order",
    "basic authentication is required",
    "bearer authentication is required",
    "Set SESSION_COOKIE_SECURE = True.",
    'Set SESSION_COOKIE_SAMESITE = "Lax".',
    "token=None, secret=null, password=''",
    "the session cookie travels without TLS",
    "PWD=/srv/app OLDPWD=/ SSL_KEY=/etc/ssl/app.key keyfile=/etc/ssl/app.key",
    "signal: 15, design=flat, assigned: 3, monkey: patched",
    "SECRET_KEY_FILE=/run/secrets/key TOKEN_URL=https://id.example.com/token PASSWORD_MIN_LENGTH=12",
    "https://docs.sqlalchemy.org/en/20/core/engines.html?highlight=url#database-urls",
    "mail to ann@example.com about http://example.com/~ann",
    'python -c "import secrets; print(secrets.token_urlsafe(48))"',
    '{"log": "(1045, \\"Access denied for user \'shop\'@\'10.0.0.7\' (using password: YES)\\")\\n", "stream": ""}',
    "    STRIPE_KEY = config('STRIPE_KEY')",
    "CHECKPOINT[env.SECRET_KEY.length] PASSED - length=43 required=32 PID:12",
]


@pytest.mark.parametrize("line", ORDINARY)
def test_an_ordinary_line_stays_as_it_is(line):
    """Words that only resemble secrets are what a diagnosis needs."""
    assert mask(line) == line


def test_the_logs_of_the_collection_lose_their_planted_passwords_alone():
    """Of thousands of real lines only those change that hold a password in a URL or an argument."""
    folder = Path(__file__).parents[1] / "data" / "gunicorn_logs"
    logs = {path: path.read_text(encoding="utf-8", errors="replace").splitlines() for path in folder.rglob("*.log")}
    # Of a secret's name that is given a call, and in JSON in JSON, mask takes more than it must: those have a platform.
    plain = [line for path, lines in logs.items() if path.stem[-1].isdigit() for line in lines]
    changed = {line for line in plain if mask(line) != line}

    assert len(plain) > 1000
    assert changed
    assert all("hunter22" in line for line in changed)
    assert not any("hunter22" in mask(line) for lines in logs.values() for line in lines)


def test_quotation_marks_stay():
    """The text keeps its form: only the value goes."""
    assert mask("{'password': 'x1y2', 'n': 1}") == "{'password': '***', 'n': 1}"
    assert mask('{"token": "x1y2"}') == '{"token": "***"}'
    assert mask("f(password=b'x1y2', n=1)") == "f(password=b'***', n=1)"
    assert mask("postgresql://ann:x1y2@h/d") == "postgresql://ann:***@h/d"
    assert mask("--password=x1y2 --port=80") == "--password=*** --port=80"


@pytest.mark.parametrize("text", WITH_SECRETS.values(), ids=WITH_SECRETS)
def test_masking_twice_changes_nothing(text):
    """What is masked already is neither masked nor counted again."""
    once = mask(text)

    assert mask(once) == once


@given(st.text(max_size=300))
def test_any_text_is_masked_without_a_fault(text):
    """No text raises, and none grows without bound."""
    masked, count = mask_counted(text)

    assert count >= 0
    assert len(masked) <= len(text) + 10 * (count + 1)


@given(
    st.sampled_from(["password", "DB_PASSWORD", "api_key", "clientSecret", "auth-token", "SESSION_KEY"]),
    st.text(alphabet="abcdefghijkXYZ0123456789!$%^*+~", min_size=9, max_size=40),
    st.sampled_from(
        ["{n}={v}", "{n} = '{v}'", '{{"{n}": "{v}"}}', "'{n}': '{v}'", "{n}: {v}", "--{n} {v}", "({n!r}, {v!r})"]
    ),
)
def test_a_named_secret_is_hidden_in_every_spelling(name, value, spelling):
    """Whatever it is made of, the value beside a secret name is gone."""
    value = "q" + value

    assert value not in mask(f"before {spelling.format(n=name, v=value)} after")


def test_passwords_of_urls():
    """They come as written and decoded, each once."""
    assert url_passwords("a://u:p%40w@h and b://u@h and c://x:plain@h") == ["p%40w", "p@w", "plain"]


known = st.text(alphabet="abcXYZ0123456789 !#$%&()*+,-./:;<=>?@[]^_`{|}~'\"\\äßψ", min_size=12, max_size=40).map(
    lambda text: f"q{text.strip()}Q9"
)


@given(known, st.text(max_size=9), st.text(max_size=9), st.integers(1, 30), st.integers(0, 8))
def test_a_known_secret_is_hidden_in_every_form(secret, before, after, cut, indent):
    """As it is, in code, JSON, URLs (twice over), bytes, base64 of itself or of a longer text, and wrapped."""
    redactor = Redactor({"DB_PASSWORD": secret})
    percent = quote(secret, safe="")
    forms = [
        secret,
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        repr(secret.encode())[2:-1],
        percent,
        quote_plus(secret),
        quote(percent, safe=""),
        re.sub("%..", lambda escape: escape[0].lower(), percent),
        b64encode(secret.encode()).decode().rstrip("="),
    ]
    for form in forms:
        masked = redactor.mask(f"{before} {form} {after}")
        assert form not in masked
        assert HIDDEN in masked
    wrapped = f"{secret[:cut]}\n{' ' * indent}{secret[cut:]}"
    assert HIDDEN in redactor.mask(f"see {wrapped}")
    assert wrapped not in redactor.mask(f"see {wrapped}")


@given(known, st.binary(max_size=7), st.binary(max_size=7))
def test_a_known_secret_is_hidden_inside_of_longer_base64(secret, before, after):
    """Whatever stands around it in the encoded text, what can be decoded afterwards holds no piece of it."""
    redactor = Redactor({"DB_PASSWORD": secret})
    for encode in (b64encode, urlsafe_b64encode):
        masked = redactor.mask(encode(before + secret.encode() + after).decode())

        assert HIDDEN in masked
        head, _, tail = masked.partition(HIDDEN)
        assert len(head + tail) <= len(encode(before + after)) + 8


def test_a_wrapped_literal_is_found():
    """Python's pprint breaks a long text into several literals."""
    secret = "correct-horse-battery-staple-0123456789-and-a-few-more-words-to-wrap"
    redactor = Redactor({"API_TOKEN": secret})
    printed = pprint.pformat({"note": secret.replace("-", " ", 1)}, width=40)
    continued = f'"{secret[:20]}\\\n{secret[20:]}"'

    for text in (f"('{secret[:20]}'\n         '{secret[20:]}')", continued, f"{secret[:9]}\\n{secret[9:]}"):
        assert secret[:9] not in redactor.mask(text)
        assert secret[-9:] not in redactor.mask(text)
    assert "\n" in printed
    assert secret[-9:] not in Redactor({"API_TOKEN": secret.replace("-", " ", 1)}).mask(printed)


def test_every_long_line_of_a_key_is_a_secret():
    """A part of a private key is enough to be hidden, without its first line."""
    lines = [f"MIIEow{number}IBAAKCAQEA0Z3VS5JJcds3xfn" for number in range(3)]
    redactor = Redactor({"JWT_PRIVATE_KEY": "\n".join(["-----BEGIN KEY-----", *lines, "-----END KEY-----"])})

    assert redactor.mask(f"line 2 is {lines[1]}") == f"line 2 is {HIDDEN}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONNECTION", f"host=db user=ann password={PLANTED}"),
        ("ODBC", f"Server=db;UID=ann;PWD={{{PLANTED}}};Encrypt=yes"),
        ("GUNICORN_CMD_ARGS", f"--env=SECRET_KEY={PLANTED} --workers=2"),
        ("SETTINGS", f'{{"db": [{{"password": "{PLANTED}", "port": 1}}]}}'),
        ("CALLBACK", f"https://example.com/?api_key={PLANTED}&x=1"),
        ("DATABASE_URL", f"postgresql://ann:{PLANTED}@db/x"),
        ("SMTP_PASS", PLANTED),
        ("STRIPE_KEY", PLANTED),
    ],
)
def test_a_secret_inside_a_variable_is_known(name, value):
    """Connection strings, arguments, JSON and URLs give up the value that they hold."""
    redactor = Redactor({name: value})

    assert redactor.mask(f"refused: {PLANTED}.") == f"refused: {HIDDEN}."
    assert redactor.hidden == 1


def test_broken_json_in_a_variable_is_no_fault():
    """What only begins like JSON is left alone."""
    assert secrets_of({"A": "{" * 10_000 + '"', "B": '[1, "x"', "C": "{'password': 1}"}) == []


def test_well_known_values_hide_no_words():
    """A secret that everybody knows must not take its word out of every log."""
    redactor = Redactor({"SECRET_KEY": "secret", "DB_PASSWORD": "worker", "API_TOKEN": "abc"})

    assert redactor.mask("Booting worker with secret abc") == "Booting worker with secret abc"


@pytest.mark.parametrize("mark", WITH_SECRETS.values(), ids=WITH_SECRETS)
def test_the_redactor_finds_what_the_patterns_find(mark):
    """Its quick look at a text, before the patterns are loaded, lets none of them pass."""
    assert Redactor().mask(mark) == mask(mark)
