"""Logs as people paste them: cut, quoted, joined, with a prompt before and a question after."""

from __future__ import annotations

import json

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import END, GET, NO_FLASK, SITE, TERM, frame, raising, start

MISSING = "dependency-missing"
WHOLE = raising(NO_FLASK)
TAIL = WHOLE[WHOLE.index("/srv/shop/wsgi.py") - len('  File "') :]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"    {line}" for line in WHOLE.splitlines()),
        "\n".join(f"> {line}" for line in WHOLE.splitlines()),
        "I get this, any idea?\n\n```\n$ gunicorn shop.wsgi\n" + WHOLE + "```\nThanks!\n",
        "`" + WHOLE.strip() + "`\n",
        WHOLE.replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;"),
        "\n".join(f"[web]      | {line}" for line in WHOLE.splitlines()),
        "\n".join(line.strip() for line in WHOLE.splitlines()),
        "\n".join(f"Nov 27 09:00:01 <host> gunicorn[812]: {line}" for line in WHOLE.splitlines()),
        "\n\n".join(WHOLE.splitlines()),
        TAIL,
        TAIL.partition("[2026-11-27 09:00:01 +0000] [10]")[0],
    ],
    ids=["indent", "mail", "fence", "tick", "entities", "podman", "flat", "blotted", "blank", "tail", "one-worker"],
)
def test_a_paste_says_what_its_log_says(text: str):
    """One incident, of the same class."""
    assert [name for name, _ in classes(told(text))] == [MISSING]


def test_a_traceback_that_stands_in_one_line():
    """As a syslog without line breaks shows it."""
    trace = WHOLE[WHOLE.index("Exception in worker") : WHOLE.index(NO_FLASK) + len(NO_FLASK)]
    lines = [*start().splitlines(), " ".join(trace.split()), *END.splitlines()]

    assert classes(told("".join(f"Nov 27 09:00:01 web-1 gunicorn.error: {line}\n" for line in lines))) == [(MISSING, 1)]


def test_json_printed_over_several_lines():
    """A log viewer's copy of one record."""
    trace = WHOLE[WHOLE.index("Traceback") : WHOLE.index(NO_FLASK) + len(NO_FLASK)]
    record = {"level": "ERROR", "message": "Exception in worker process", "exceptions": [f"{trace}\n"]}

    assert classes(told(json.dumps(record, indent=2))) == [(MISSING, 1)]


def test_the_reason_comes_after_the_siblings():
    """Some releases tell of the SIGTERM of the others before they say why: those are collateral."""
    head = "[2026-11-27 09:00:01 +0000] [10] "
    siblings = "".join(f"{head}[WARNING] Worker with pid {pid} was terminated due to signal 15\n" for pid in (12, 13))
    text = TAIL.partition(head)[0] + siblings + END

    assert [name for name, _ in classes(told(text))] == [MISSING]


def test_a_master_that_halts_with_a_traceback_of_its_own():
    """`HaltServer` says that a worker failed, not why: unknown stays unknown."""
    text = (
        start("0.14.2")
        + "Traceback (most recent call last):\n"
        + frame(SITE + "gunicorn/arbiter.py", "reap_workers", "raise HaltServer(reason, self.WORKER_BOOT_ERROR)")
        + "gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>\n"
    )
    (incident,) = told(text).incidents

    assert (incident.cause_class, incident.confidence) == ("app-exception", "low")


def test_the_last_words_of_an_app():
    """Without any traceback, the error that it logged is a hint."""
    said = "ERROR: the setting STRIPE_KEY is missing. Set the environment variable STRIPE_KEY.\n"
    (incident,) = told(start() + said + END).incidents

    assert (incident.cause_class, incident.confidence) == ("env-config", "low")
    assert [name for name, _ in classes(told(start() + "ERROR: it rains\n" + END))] == ["app-exception"]


ABORT = frame(SITE + "gunicorn/workers/base.py", "handle_abort", "sys.exit(1)") + "SystemExit: 1\n"
HANDLING = frame(SITE + "gunicorn/workers/sync.py", "handle_request", "respiter = self.wsgi(environ)")
LOADING = frame(SITE + "gunicorn/util.py", "import_app", "mod = importlib.import_module(module)")


@pytest.mark.parametrize(("frames", "expected"), [(HANDLING, "request-timeout"), (LOADING, "boot-timeout")])
def test_an_abort_without_the_masters_word(frames: str, expected: str):
    """`handle_abort` is the master's SIGABRT after a timeout."""
    text = start("20.1.0") + "Traceback (most recent call last):\n" + frames + ABORT

    assert classes(told(text)) == [(expected, 1)]


LIFESPAN = (
    "[2026-11-27 09:00:02 +0000] [11] [ERROR] Exception in 'lifespan' protocol\nTraceback (most recent call last):\n"
    + frame(SITE + "uvicorn/lifespan/on.py", "main", "await app(scope)")
    + "asyncpg.exceptions.TooManyConnectionsError: sorry, too many clients already\n"
)


def test_a_start_up_that_raises_and_nothing_after_it():
    """The log ends there; where the server goes on and answers, it harmed nothing."""
    assert classes(told(start() + LIFESPAN)) == [("db-too-many-connections", 1)]
    assert classes(told(start() + LIFESPAN + GET + TERM)) == []


def test_a_traceback_at_the_end_counts_where_it_is_understood():
    """A log is cut where people saw the error; what no signature knows is told as unexplained."""
    trace = "Traceback (most recent call last):\n" + frame("/srv/shop/jobs.py")
    refused = "redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused.\n"

    assert classes(told(start() + trace + refused)) == [("backend-unavailable", 1)]
    assert classes(told(start() + trace + refused + GET + TERM)) == []
    unknown = told(start() + trace + "RuntimeError: the cache is cold\n")
    assert classes(unknown) == []
    assert unknown.unexplained


@pytest.mark.parametrize(("module", "expected"), [("shop_site", "app-not-found"), ("flask", MISSING)])
def test_only_the_end_of_a_traceback_that_the_import_machinery_raised(module: str, expected: str):
    """Python hides its machinery's frames from an import statement: the server itself asked for it."""
    text = frame("<frozen importlib._bootstrap>", "_find_and_load_unlocked").replace("    pass\n", "")

    assert [name for name, _ in classes(told(f"{text}ModuleNotFoundError: No module named '{module}'\n{END}"))] == [
        expected
    ]


def test_a_traceback_that_was_printed_as_a_list_of_lines():
    """As a program shows what another one wrote on stderr."""
    lines = [*TAIL.partition("[2026")[0].splitlines(), ""]

    assert [name for name, _ in classes(told(f"web failed: {lines}\n"))] == [MISSING]
    assert classes(told(start() + GET + "INFO labels: ['a', 'b', 'File c']\n" + GET + TERM)) == []


@pytest.mark.parametrize("end", ["  \n", "\t\r\n"])
def test_spaces_at_the_ends_of_lines_say_nothing(end: str):
    """Of Markdown, which breaks a line there, and of terminals; an exception's text may begin below its type."""
    padded = (
        ("launcher-error", "python3[7]: /usr/bin/python3: No module named gunicorn\n"),
        ("launcher-error", "bash: line 1: gunicorn: command not found\n"),
        ("dependency-missing", raising("ImportError: \nBooks requires the Shelf library but it was not found")),
    )

    for cause_class, text in padded:
        assert [name for name, _ in classes(told(text.replace("\n", end)))] == [cause_class]
