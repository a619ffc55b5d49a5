"""Secrets out of text: known values in every form, unknown ones by pattern, ordinary words never."""

# ruff: noqa: E501 - a table is read row by row
from __future__ import annotations

import base64
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.model import redactor
from bootcheck.model.redact import HIDDEN, Redactor, is_secret_name, mask, mask_counted, secrets_of, url_passwords

SECRET = "???t0p/Secret+Val ue&=Ü"


def knows(*values: str) -> Redactor:
    """Return a redactor that knows these values."""
    return Redactor(values=values)


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        repr(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_known_value_is_hidden_in_every_form(form: str):
    """As it is, quoted, URL-encoded and in both base64 alphabets."""
    told = knows(SECRET).mask(f"before <{form}> after")

    assert form not in told
    assert told.startswith("before <")
    assert told.endswith("> after")
    assert HIDDEN in told


@pytest.mark.parametrize("position", range(1, 12))
@pytest.mark.parametrize("wrap", ["\n", "\r\n", "\n      ", "\\n"])
def test_a_known_value_split_over_lines_is_hidden(position: int, wrap: str):
    """A renderer wraps where it likes, with indentation or escaped."""
    told = knows("hunter2-hunter2").mask(
        f"x hunter2-hunter2 y {'hunter2-hunter2'[:position]}{wrap}{'hunter2-hunter2'[position:]} z"
    )

    assert "hunter" not in told
    assert told.endswith(f"{HIDDEN} z")


def test_a_base64_form_split_over_lines_is_hidden():
    """MIME wraps base64 at 76 characters."""
    encoded = base64.encodebytes(b"correct horse battery staple " * 4).decode()

    assert "\n" in encoded.rstrip()
    told = knows("correct horse battery staple " * 4).mask(encoded)
    assert told.rstrip("=\n") == HIDDEN


@given(st.text(min_size=8), st.text(), st.text())
def test_no_known_value_survives_whatever_surrounds_it(secret: str, before: str, after: str):
    """Whatever the value, whatever stands around it: it is not in the output, unless the mask itself holds it."""
    told = knows(secret).mask(f"{before}|{secret}|{after}")

    everybodys = secret.lower() in redactor._COMMON_VALUES
    if secret.lower() not in (before + after).lower() and secret not in HIDDEN and not everybodys:
        assert secret not in told


def test_the_longest_form_goes_first():
    """A secret that begins with another one leaves no rest."""
    assert knows("alphabet", "alphabetsoup").mask("alphabetsoup") == HIDDEN


def test_lone_surrogates_in_a_value_or_a_text_do_no_harm():
    """Bytes of an environment that are no UTF-8 arrive as such."""
    redactor = Redactor({"DB_PASSWORD": "pa\udcffssword1", "API_TOKEN": "to\ud800kentoken"})

    assert redactor.mask("x pa\udcffssword1 y to\ud800kentoken z\ud800") == "x *** y *** z\ud800"


@pytest.mark.parametrize("value", ["abc", "", "true", "Production", "postgres", "localhost", "admin"])
def test_short_and_common_values_are_no_secrets(value: str):
    """Hiding them would hide ordinary words everywhere."""
    assert knows(value).mask(f"it is {value} here") == f"it is {value} here"


def test_what_is_hidden_is_counted():
    """`redaction.hidden_count` of a report."""
    redactor = knows("hunter2hunter2")
    redactor.mask("hunter2hunter2 hunter2hunter2 hunter2\nhunter2 password=abcdef")

    assert redactor.hidden == 4


def test_values_learnt_later_are_hidden_from_then_on():
    """`raw_env` of the Gunicorn configuration comes after arming."""
    redactor = knows()
    assert redactor.mask("hunter2hunter2") == "hunter2hunter2"
    redactor.learn(["hunter2hunter2"])
    assert redactor.mask("hunter2hunter2 hunter2\nhunter2") == f"{HIDDEN} {HIDDEN}"


@pytest.mark.parametrize(
    "name",
    ["SECRET_KEY", "DB_PASSWORD", "db.passwd", "API-KEY", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD",
     "SENTRY_DSN", "PASS", "key", "JWT_PRIVATE_KEY", "SESSION_COOKIE", "mysql_pwd"],
)  # fmt: skip
def test_names_of_secrets(name: str):
    """In any spelling."""
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["PATH", "PWD", "OLDPWD", "SECRET_KEY_FILE", "TOKEN_TTL", "PASSWORD_MIN_LENGTH", "DATABASE_URL", "MONKEY",
     "KEYBOARD", "PASSENGER_ROOT", "HOME", "COOKIE_NAME", "JWT_SIGNATURE_ALGORITHM"],
)  # fmt: skip
def test_names_that_only_look_so(name: str):
    """The allow-list: places, lengths and names are not secrets, and must stay readable."""
    assert not is_secret_name(name)


def test_of_a_url_only_the_password_is_a_secret():
    """As written and decoded; host, user and database may be shown."""
    found = secrets_of({"DATABASE_URL": "postgresql://bob:p%40ss@db:5432/app", "HOME": "/root", "DEBUG": "1"})

    assert found == ["p%40ss", "p@ss"]
    told = Redactor({"DATABASE_URL": "postgresql://bob:p%40ssword@db/app"}).mask("bob p@ssword on db/app")
    assert told == "bob *** on db/app"


@pytest.mark.parametrize("url", ["redis://cache:6379/0", "https://example.com/a@b", "sqlite:////data/app.db"])
def test_a_url_without_a_password_holds_none(url: str):
    """A port is no password, an at sign in a path no end of one."""
    assert secrets_of({"SERVICE_URL": url}) == []
    assert url_passwords(url) == []


def test_a_secret_that_looks_like_a_url_is_one():
    """A webhook address is a token."""
    hook = "https://hooks.example.com/services/T0/B0/xyz"

    assert secrets_of({"SLACK_TOKEN": hook}) == [hook]
    assert secrets_of({"SENTRY_DSN": "https://abcdef0123@sentry.example/1"}) == ["https://abcdef0123@sentry.example/1"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("postgresql://bob:hunter2@db/app", "postgresql://bob:***@db/app"),
        ("amqp://:hunter2@mq", "amqp://:***@mq"),
        ("postgresql://bob:hun:ter@2@db/app", "postgresql://bob:***@db/app"),
        ("GET /x?api_key=hunter2&page=2", "GET /x?api_key=***&page=2"),
        ("SECRET_KEY=hunter2 DEBUG=1", "SECRET_KEY=*** DEBUG=1"),
        ("password='hun ter2', user='bob'", "password='***', user='bob'"),
        ("{'password': 'hunter2', 'user': 'bob'}", "{'password': '***', 'user': 'bob'}"),
        ('{"api_token": "hunter2"}', '{"api_token": "***"}'),
        ('{\\"token\\": \\"hunter2\\"}', '{\\"token\\": \\"***\\"}'),
        ("Authorization: Bearer hunter2", "Authorization: ***"),
        ("authorization: Basic aHVudGVyMg==", "authorization: ***"),
        ("Cookie: session=hunter2; theme=dark", "Cookie: ***"),
        ("Set-Cookie: id=hunter2", "Set-Cookie: ***"),
        ("  password: hunter2\n  user: bob", "  password: ***\n  user: bob"),
        ("mysql --password hunter2 -u bob", "mysql --password *** -u bob"),
        ("[SQL: INSERT ...]\n[parameters: ('bob', 'hunter2')]\n(Background on", "[SQL: INSERT ...]\n[parameters: ***]\n(Background on"),
        ("-----BEGIN PRIVATE KEY-----\nMIIhunter2\n-----END PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY-----"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIhunter2", "-----BEGIN RSA PRIVATE KEY-----***"),
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_hidden_without_knowing_it(text: str, told: str):
    """Everything else of the line stays readable."""
    assert mask(text) == told
    assert Redactor().mask(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'name'",
        "ModuleNotFoundError: No module named 'token_bucket'",
        'connection to server at "db" (10.0.0.3), port 5432 failed: Connection refused',
        'File "/app/config.py", line 3, in <module>',
        "http://127.0.0.1:8000/health?page=2",
        "a perfectly ordinary sentence",
        "",
    ],
)
def test_ordinary_lines_stay_as_they_are(text: str):
    """A mask that hides the diagnosis is worse than none."""
    assert mask_counted(text) == (text, 0)
    assert Redactor().mask(text) == text


@given(st.text())
def test_masking_twice_changes_nothing_more(text: str):
    """A report that is rendered and analysed again keeps its words and its count."""
    once, _ = mask_counted(text)

    assert mask_counted(once)[0] == once


def test_what_comes_into_an_environment_later_is_learnt():
    """An app may read a file of secrets when it is imported."""
    environ = {"API_TOKEN": "first-token-value"}
    hiding = redactor.Redactor(environ)
    environ["API_TOKEN"] = "second-token-value"
    environ["DB_PASSWORD"] = "hunter22-hunter22"
    hiding.catch_up(environ)

    assert hiding.mask("first-token-value second-token-value hunter22-hunter22") == "*** *** ***"
    assert hiding.hide_late("first-token-value second-token-value") == "first-token-value ***"


@pytest.mark.parametrize(
    "value", ["'Zebra7070'", "{'a': 'Zebra7070', 'b': 1}", "'Zebra7070, and more'", "b'Zebra7070'", "Zebra7070"]
)
@pytest.mark.parametrize("end", [", input_type=str]", "]", ""])
def test_what_pydantic_quotes_of_a_refused_value(value: str, end: str):
    """Whatever the field is called, and wherever the line was cut."""
    text = f"db_password\n  String should be longer [type=string_too_short, input_value={value}{end}\n    For further"

    assert "Zebra7070" not in mask(text)
    assert "Zebra7070" not in Redactor(values=()).mask(text)
    assert mask(text).startswith("db_password\n  String should be longer [type=string_too_short, input_value=")
    assert mask(text).endswith("\n    For further")


@pytest.mark.parametrize("value", ["None", "''", "{}"])
def test_that_pydantic_got_nothing_stays_readable(value: str):
    """It is the diagnosis."""
    text = f"[type=missing, input_value={value}, input_type=dict]"

    assert mask(text) == text


@pytest.mark.parametrize("depth", [1, 63, 64, 127, 100_000])
def test_a_quotation_within_quotations_hides_its_secret(depth: int):
    """However many backslashes stand before its marks, and in a time that grows with their number only."""
    mark = "\\" * depth + '"'
    told = mask(
        f"token {mark[:-1]} {{{mark}token{mark}: {mark}hunter2 hunter3{mark}, {mark}user{mark}: {mark}bob{mark}}}"
    )

    assert "hunter" not in told
    assert "bob" in told
