"""A planted password appears in nothing that bootcheck writes or prints."""

from __future__ import annotations

import base64
import json
import textwrap
from urllib.parse import quote

import pytest

from tests.integration.harness import HELLO, partly

pytestmark = pytest.mark.wide

PASSWORD = "c0rrect/horse+battery"
URL = f"postgresql://app:{quote(PASSWORD, safe='')}@127.0.0.1:1/shop"
FORMS = (PASSWORD, quote(PASSWORD, safe=""), base64.b64encode(PASSWORD.encode()).decode().rstrip("="))
APPS = {
    "exception": """
        raise RuntimeError("cannot log in with " + os.environ["DB_PASSWORD"])
    """,
    "url": """
        raise RuntimeError("cannot reach " + os.environ["DATABASE_URL"])
    """,
    "sql": """
        class OperationalError(Exception):
            pass
        raise OperationalError(
            "(psycopg.OperationalError) connection failed\\n[SQL: INSERT INTO users VALUES (%s)]\\n[parameters: "
            + repr((os.environ["DB_PASSWORD"],)) + "]\\n(Background on this error at: https://sqlalche.me/e/20/e3q8)"
        )
    """,
    "source": f"""
        def connect(password):
            raise RuntimeError("no")
        connect(password={PASSWORD!r})
    """,
    "chained": """
        try:
            raise KeyError(os.environ["DB_PASSWORD"])
        except KeyError as exc:
            raise RuntimeError("no") from exc
    """,
    "base64": """
        import base64
        raise RuntimeError("Authorization: Basic " + base64.b64encode(os.environ["DB_PASSWORD"].encode()).decode())
    """,
    "step": """
        import bootcheck
        secret, url = os.environ["DB_PASSWORD"], os.environ["DATABASE_URL"]
        with bootcheck.step("log in as " + secret, password=secret, url=url, more={"deep": [secret]}):
            raise RuntimeError("no")
    """,
    "annotation": """
        import bootcheck
        bootcheck.annotate("dsn", os.environ["DATABASE_URL"])
        raise RuntimeError("no")
    """,
    "exit": """
        import sys
        sys.exit("cannot log in with " + os.environ["DB_PASSWORD"])
    """,
}


def assert_hidden(server):
    """Fail where any form of the password stands in a file or in a line of bootcheck's own."""
    texts = {path.name: path.read_text() for path in server.directory.iterdir()}
    texts["stderr"] = "\n".join(server.own_lines)
    for name, text in texts.items():
        for form in FORMS:
            assert form not in text, (name, form)
            assert form not in text.replace("\\n", "").replace("\n", ""), (name, form)


@pytest.mark.parametrize("log", partly(["summary", "json"], "summary"))
@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
@pytest.mark.parametrize("name", APPS)
def test_a_password_is_hidden_in_a_death(serve, name, preload, log):
    """Exception text, SQL parameters, source lines, chains, steps, tags: masked in file, line and banner."""
    if preload and log == "json":
        pytest.skip("one mode is enough there")
    body = "import os\n" + textwrap.dedent(APPS[name])
    if not preload:
        # SystemExit loops: the first process alone fails.
        body = "import turn\nif turn.first():\n" + textwrap.indent(body, "    ") + HELLO
    server = serve(
        app=body,
        environ={"DB_PASSWORD": PASSWORD, "DATABASE_URL": URL, "BOOTCHECK_LOG": log},
        config="import bootcheck, bootcheck.checks\nbootcheck.checks.CHECKS = ()\nbootcheck.arm(globals())\n",
        options=["--preload"] if preload else [],
    )
    reports = server.wait_for_reports()
    server.stop()

    assert_hidden(server)
    assert reports[0]["redaction"]["hidden_count"] > 0
    assert "***" in json.dumps(reports[0])


def test_a_password_from_raw_env_is_hidden_too(serve):
    """What the configuration file gives to workers is as secret as the environment."""
    config = f"import bootcheck\nraw_env = ['DB_PASSWORD={PASSWORD}']\nbootcheck.arm(globals())\n"
    server = serve(app="import os\nraise RuntimeError(os.environ['DB_PASSWORD'])\n", config=config)
    server.wait()

    assert server.death()["verdict"]["cause"] == "exception"
    assert_hidden(server)


def test_passwords_on_the_command_line_are_hidden(serve):
    """Arguments of the server are no place where a report copies a secret from."""
    server = serve(app="raise RuntimeError('no')\n", options=["-e", f"DB_PASSWORD={PASSWORD}"])
    server.wait()

    assert server.death()["verdict"]["cause"] == "exception"
    assert_hidden(server)


def test_a_password_in_a_refusal_is_hidden(serve):
    """Findings about a URL name what is wrong with it, and never show it."""
    config = (
        "import bootcheck\nfrom bootcheck import checks\nbootcheck.arm(globals(), checks=[checks.database_url()])\n"
    )
    server = serve(config=config, environ={"DATABASE_URL": URL.replace("postgresql:", "postgres:")})

    assert server.wait() == 78
    assert server.death()["verdict"]["cause"] == "check_failed"
    assert_hidden(server)
