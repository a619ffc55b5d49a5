"""The preflight of real servers against real databases: what is refused, with which code, and what is only said."""

from __future__ import annotations

import pytest

from tests.integration.harness import names_of, partly
from tests.integration.servers import MYSQL_PASSWORD, PASSWORD

SCHEMES = {
    "postgresql+psycopg": "psycopg",
    "postgresql+psycopg2": "psycopg2",
    "mysql+pymysql": "pymysql",
    "mysql+mysqldb": "MySQLdb",
}
WRONG = "n0t-the-right/one"
CONNECT_TIMEOUT = 2


def declared(**options):
    """Return a configuration that declares the database check."""
    given = ", ".join(f"{name}={value!r}" for name, value in options.items())
    return (
        f"import bootcheck\nfrom bootcheck import checks\nbootcheck.arm(globals(), checks=[checks.database({given})])\n"
    )


@pytest.fixture(params=partly(list(SCHEMES), "postgresql+psycopg", "mysql+pymysql"))
def scheme(request, python):
    """A URL scheme whose driver the interpreter has."""
    if SCHEMES[request.param] not in python.has:
        pytest.skip(f"{SCHEMES[request.param]} is not installed there")
    return request.param


@pytest.fixture
def database(request, scheme):
    """The real server that a scheme is for."""
    return request.getfixturevalue("postgres" if scheme.startswith("postgresql") else "mariadb")


@pytest.fixture
def url_of(scheme, database):
    """Return URLs of the user app to the database app, unless told otherwise."""

    def made(*, port=None, **parts):
        text = database.url(scheme, **{"user": "app", "database": "app", **parts})
        return text if port is None else text.replace(f":{database.port}/", f":{port}/")

    return made


def refused(serve, url, **options):
    """Start a server whose database is declared and which must not start; return its exit code and its report."""
    config = declared(**{"connect_timeout": 30, **options})
    server = serve(config=config, environ={"DATABASE_URL": url}, options=["--pid", "pidfile"])
    status = server.wait()
    report = server.death()
    assert (report["role"], report["verdict"]["cause"]) == ("master", "check_failed"), server.story()
    assert report["step"] == "check.database"
    assert f"bootcheck explain {report['verdict']['code']}" in server.stderr
    assert "Booting worker" not in server.stderr
    assert not (server.home / "pidfile").exists()
    assert not server.leftovers()
    assert not server.processes()
    everything = server.stderr + server.stdout + "".join(path.read_text() for path in server.report_files())
    for secret in (PASSWORD, MYSQL_PASSWORD, WRONG):
        assert secret not in everything
    return status, report


def test_a_database_that_lets_the_app_in_costs_nothing(serve, url_of):
    """Declared and fine: the app boots, and the master's report holds each phase with its duration."""
    server = serve(config=declared(connect_timeout=30), environ={"DATABASE_URL": url_of()}, workers=2)
    server.wait_ready(2)
    assert server.get()[0] == 200
    assert server.stop() == 0

    (master,) = server.reports("boot", "master")
    expected = {"tcp", "login", "select", "version", "connections", "commit", "rollback"}
    assert {f"database.{name}" for name in expected} <= set(names_of(master))
    passed = [entry for entry in master["checkpoints"] if entry["name"].startswith("database.")]
    assert {entry["outcome"] for entry in passed} <= {"entered", "passed", "skipped"}
    assert not [finding for finding in master["findings"] if finding["severity"] == "error"]
    assert not server.reports("crash")


def test_a_wrong_password_is_a_matter_of_configuration(serve, url_of):
    """78 and BC213; neither password is shown."""
    status, report = refused(serve, url_of(password=WRONG))

    assert (status, report["verdict"]["code"]) == (78, "BC213")


def test_a_missing_database_is_a_matter_of_configuration(serve, url_of, scheme):
    """78 and BC214; the name that does not exist is said. MariaDB tells it only to who might see it."""
    user = "app" if scheme.startswith("postgresql") else "boss"
    status, report = refused(serve, url_of(user=user, database="nowhere_to_be_found"))

    assert (status, report["verdict"]["code"]) == (78, "BC214")
    assert "nowhere_to_be_found" in report["verdict"]["summary"]


def test_a_refused_connection_is_a_matter_of_the_service(serve, url_of, closed_port):
    """69 and BC210; the address is said."""
    status, report = refused(serve, url_of(port=closed_port))

    assert (status, report["verdict"]["code"]) == (69, "BC210")
    assert str(closed_port) in report["verdict"]["summary"]


def test_a_reached_limit_is_a_matter_of_the_service(serve, url_of, scheme, database):
    """69 and BC215, while somebody else has the account's only connection."""
    if scheme.startswith("postgresql"):
        holder = database.connect(user="limited", database="app")
    else:
        holder = database.connect(user="limited")
    try:
        status, report = refused(serve, url_of(user="limited"))
    finally:
        holder.close()

    assert (status, report["verdict"]["code"]) == (69, "BC215")


def test_a_discovered_database_that_refuses_is_a_warning(serve, url_of, closed_port):
    """Nobody declared it: the app boots and serves, the finding is said and in the report."""
    server = serve(environ={"DATABASE_URL": url_of(port=closed_port)})
    server.wait_ready()
    assert server.get()[0] == 200
    assert server.stop() == 0

    (master,) = server.reports("boot", "master")
    (finding,) = [finding for finding in master["findings"] if finding["code"] == "BC210"]
    assert not finding["declared"]
    assert "BC210" in server.stderr
    assert not server.reports("crash")


@pytest.mark.parametrize(("path", "status"), [("closed", 69), ("password", 78)])
def test_a_discovered_database_stops_the_start_where_all_counts(serve, url_of, closed_port, path, status):
    """BOOTCHECK_ENFORCE=all: the same exit codes as for a declared one."""
    url = url_of(port=closed_port) if path == "closed" else url_of(password=WRONG)
    server = serve(environ={"DATABASE_URL": url, "BOOTCHECK_ENFORCE": "all"})

    assert server.wait() == status
    assert server.death()["verdict"]["cause"] == "check_failed"


def test_a_mute_server_costs_its_timeout_and_a_second(serve, url_of, mute_server):
    """69 and BC212 after the connect timeout; what the machine itself takes is not counted against it."""
    took = []
    for _ in range(3):
        status, report = refused(serve, url_of(port=mute_server), connect_timeout=CONNECT_TIMEOUT)
        assert (status, report["verdict"]["code"]) == (69, "BC212")
        (entry,) = [
            entry
            for entry in report["checkpoints"]
            if entry["name"] == "check.database" and entry["outcome"] != "entered"
        ]
        took.append(entry["duration_ms"] / 1000)
        if took[-1] <= CONNECT_TIMEOUT + 1:
            break

    assert CONNECT_TIMEOUT - 0.1 <= min(took) <= CONNECT_TIMEOUT + 1


def test_a_mute_server_that_is_discovered_delays_and_does_not_stop(serve, url_of, mute_server):
    """The app boots after the timeout, with a warning."""
    server = serve(environ={"DATABASE_URL": url_of(port=mute_server)})
    server.wait_ready()
    assert server.get()[0] == 200
    assert server.stop() == 0

    (master,) = server.reports("boot", "master")
    assert "BC212" in {finding["code"] for finding in master["findings"]}
    assert not server.reports("crash")
