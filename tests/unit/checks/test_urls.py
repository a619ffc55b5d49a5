"""Database URLs are read as their authors meant them, and never betray a password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.checks.urls import DatabaseUrl, UrlProblem, parse

SECRET_LETTERS = "ψωφξδλ"
"""Letters that stand in no message of bootcheck: one of them in an output is a piece of a password."""
secrets = st.text(alphabet=SECRET_LETTERS + "@:/?#%&=+ '", min_size=1, max_size=24)


def shown(url: DatabaseUrl) -> str:
    """Return everything of a URL that may reach a report."""
    return f"{url!r} {url.masked} {url.effective_host} {url.unix_socket} {url.hosts} {url.database}"


def test_every_part_is_read():
    """Scheme, driver, user, password, host, port, name and query come out decoded."""
    url = parse("postgresql+psycopg://ann%40x:p%2Fw@db.example.com:5433/shop%20one?sslmode=require&connect_timeout=3")

    assert (url.scheme, url.dialect, url.driver, url.backend) == (
        "postgresql+psycopg",
        "postgresql",
        "psycopg",
        "postgresql",
    )
    assert (url.username, url.password) == ("ann@x", "p/w")
    assert (url.host, url.port, url.effective_port, url.database) == ("db.example.com", 5433, 5433, "shop one")
    assert dict(url.query) == {"sslmode": "require", "connect_timeout": "3"}
    assert (
        url.masked
        == "postgresql+psycopg://ann%40x:***@db.example.com:5433/shop%20one?sslmode=require&connect_timeout=3"
    )
    assert url.unescaped == ()


@pytest.mark.parametrize(
    ("text", "host", "port", "effective", "socket"),
    [
        ("postgresql://h/d", "h", None, 5432, None),
        ("postgresql://[::1]:6000/d", "::1", 6000, 6000, None),
        ("postgresql:///d?host=/run/postgresql", None, None, 5432, "/run/postgresql"),
        ("postgresql://u:p@%2Frun%2Fpg/d", "%2Frun%2Fpg", None, 5432, "/run/pg"),
        ("postgresql:///d?host=db1:6432", None, None, 6432, None),
        ("postgresql:///d?host=db1&port=6433", None, None, 6433, None),
        ("mysql://u:p@h/d", "h", None, 3306, None),
        ("mysql://u:p@localhost/d?unix_socket=/run/mysqld.sock", "localhost", None, 3306, "/run/mysqld.sock"),
        ("postgis://h/d", "h", None, 5432, None),
        ("foo://h/d", "h", None, None, None),
    ],
)
def test_address_forms(text, host, port, effective, socket):
    """TCP, IPv6, Unix sockets and hosts in the query are told apart."""
    url = parse(text)

    assert (url.host, url.port, url.effective_port, url.unix_socket) == (host, port, effective, socket)
    if socket:
        assert url.effective_host is None


def test_a_host_in_the_query_is_the_one_to_resolve():
    """`?host=` counts where the authority is empty, without its port."""
    assert parse("postgresql:///d?host=db1:6432").effective_host == "db1"
    assert parse("postgresql://h/d").effective_host == "h"


def test_several_hosts_are_all_kept():
    """Libpq's comma-separated hosts are read one by one."""
    url = parse("postgresql://u:p@one:1,two:2,three/d")

    assert url.hosts == (("one", 1), ("two", 2), ("three", None))
    assert url.host == "one"


@pytest.mark.parametrize(
    ("password", "unescaped"),
    [
        ("p@ss", ("@",)),
        ("p/ss", ("/",)),
        ("p?ss", ("?",)),
        ("p?x=1", ("?",)),
        ("p#ss", ("#",)),
        ("p:ss", (":",)),
        ("p%ss", ("%",)),
        ("100%", ("%",)),
        ("a@b/c?d#e", ("@", "/", "?", "#")),
        ("p%40ss", ()),
        ("12/34", ("/",)),
        ("plain", ()),
    ],
)
def test_an_unescaped_password_is_read_and_named(password, unescaped):
    """The last @ before the query ends the password, and the characters that needed encoding are listed."""
    url = parse(f"postgresql://u:{password}@host:5432/name?email=a@b.c")

    assert url.unescaped == unescaped
    assert (url.username, url.host, url.port, url.database) == ("u", "host", 5432, "name")
    assert url.masked == "postgresql://u:***@host:5432/name?email=a@b.c"


def test_an_at_sign_in_the_query_is_no_password():
    """A URL without credentials keeps its host."""
    url = parse("postgresql://h:5432/d?options=a@b")

    assert (url.username, url.password, url.host, url.port) == (None, None, "h", 5432)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("postgresql://u:p@h/d\n", "space"),
        (" postgresql://u:p@h/d", "space"),
        ("postgresql://u:p@h/\x00d", "space"),
        ('"postgresql://u:p@h/d"', "quotes"),
        ("postgresql://u:p@h/d'", "quotes"),
        ("DATABASE_URL=postgresql://u:p@h/d", "assignment"),
        ("postgresql:u:p@h/d", "no-scheme"),
        ("postgresql:/u:p@h/d", "no-scheme"),
        ("sqlite:/x.db", "no-scheme"),
        ("host=db dbname=shop", "no-scheme"),
        ("://u:p@h/d", "no-scheme"),
        ("postgresql://u:p@h:port/d", "port"),
        ("postgresql://u:p@h:0/d", "port"),
        ("postgresql://u:p@h:65536/d", "port"),
        ("postgresql://u:p@h:" + "9" * 5000 + "/d", "port"),
        ("postgresql://u:p@h:٣/d", "port"),
        ("postgresql://u:secret/d", "port"),
        ("postgresql://u:/secret/d", "port"),
        ("postgresql://u:p@::1:5432/d", "host"),
        ("postgresql://u:p@[::1/d", "host"),
        ("postgresql://u:p@[::1]5432/d", "host"),
    ],
)
def test_what_is_no_url_is_explained(text, kind):
    """Each fault has its own kind, an explanation and something to do."""
    with pytest.raises(UrlProblem) as caught:
        parse(text)

    assert caught.value.kind == kind
    assert caught.value.code == "BC111"
    assert caught.value.explanation
    assert caught.value.action
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "path", "host"),
    [
        ("sqlite://", None, None),
        ("sqlite:///:memory:", None, None),
        ("sqlite:///file::memory:?uri=true", None, None),
        ("sqlite:///file:x?mode=memory&uri=true", None, None),
        ("sqlite:///x.db", "x.db", None),
        ("sqlite:////var/x.db", "/var/x.db", None),
        ("sqlite:///file:x.db?mode=ro&uri=true", "x.db", None),
        ("sqlite+aiosqlite:///a%20b.db", "a b.db", None),
        ("sqlite://x.db", None, "x.db"),
        ("sqlite:////home/me@work/x.db", "/home/me@work/x.db", None),
        ("postgresql://h/x.db", None, "h"),
    ],
)
def test_sqlite_paths(text, path, host):
    """Three slashes are relative, four absolute, two make the file a host."""
    url = parse(text)

    assert (url.sqlite_path, url.host) == (path, host)


@pytest.mark.parametrize("marker", ["${DB_HOST}", "$(DB_HOST)", "{{ db_host }}", "<host>"])
def test_a_template_marker_is_seen(marker):
    """A URL that nobody rendered is told apart from one that was."""
    assert parse(f"postgresql://u:p@{marker}/d").unexpanded
    assert not parse("postgresql://u:p@h/d").unexpanded


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:p@h/d?password=hunter2&sslmode=require",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dhunter2",
    ],
)
def test_secrets_in_the_query_are_masked(text):
    """Passwords that drivers take from the query are hidden as well."""
    assert "hunter2" not in shown(parse(text))


def test_only_the_scheme_changes_in_a_rewrite():
    """The offered rewrite keeps everything else, and the password hidden."""
    assert parse("postgres://u:pw@h:1/d?a=b").masked_with("postgresql") == "postgresql://u:***@h:1/d?a=b"


@given(secrets)
def test_no_password_is_ever_shown(secret):
    """Whatever the password holds, no letter of it reaches a repr, a masked URL or an explanation."""
    text = f"postgresql://user:{secret}@db.example.com:5432/name?sslmode=require"
    try:
        out = shown(parse(text))
    except UrlProblem as problem:
        out = f"{problem} {problem.action}"

    assert not set(out) & set(SECRET_LETTERS)


@given(secrets)
def test_a_password_without_its_at_sign_is_not_shown(secret):
    """Where the @ is missing the password stands in the place of the port, which is not quoted."""
    text = f"postgresql://user:{SECRET_LETTERS[0]}{secret.replace('@', '')}/name"
    with pytest.raises(UrlProblem) as caught:
        parse(text)

    assert not set(f"{caught.value} {caught.value.action}") & set(SECRET_LETTERS)


@given(st.text(max_size=120))
def test_any_text_is_read_or_explained(text):
    """No other exception than UrlProblem leaves the parser."""
    for candidate in (text, f"postgresql://{text}", f"sqlite:///{text}", f"mysql://u:{text}@h/d"):
        try:
            shown(parse(candidate))
        except UrlProblem as problem:
            assert problem.explanation  # noqa: PT017 - either way is right
