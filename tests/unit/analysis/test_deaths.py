"""The class of a death that a report tells of (contract: commands)."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from bootcheck.analysis import analyze
from bootcheck.analysis.deaths import Death
from bootcheck.model.cause import Cause
from bootcheck.model.codes import CODES
from bootcheck.model.finding import Evidence, Finding, Severity
from tests.unit.analysis.making import report, stored

BY_CAUSE = [
    (Cause.SIGTERM, {"ready": False, "signal": "SIGTERM"}, "external-stop"),
    (Cause.SIGKILL_EXTERNAL, {}, "external-stop"),
    (Cause.VANISHED, {}, "external-stop"),
    (Cause.SIGKILL_GRACEFUL_TIMEOUT, {"ready": True}, "shutdown-timeout"),
    (Cause.OOM, {}, "oom-kill"),
    (Cause.GUNICORN_TIMEOUT, {"ready": False}, "boot-timeout"),
    (Cause.GUNICORN_TIMEOUT, {"ready": True}, "request-timeout"),
    (Cause.BOOT_DEADLINE, {"ready": False}, "boot-timeout"),
    (Cause.NATIVE_CRASH, {"signal": "SIGSEGV"}, "native-crash"),
    (Cause.NATIVE_CRASH, {"signal": "SIGILL"}, "illegal-instruction"),
    (Cause.APP_NOT_FOUND, {"type": "ModuleNotFoundError", "message": "No module named 'wsgi'"}, "app-not-found"),
    (Cause.SYS_EXIT, {"type": "SystemExit", "message": "1"}, "app-exception"),
    (Cause.OS_EXIT, {"exit_code": 1}, "app-exception"),
]
BY_EXCEPTION = [
    ("ModuleNotFoundError", "No module named 'flask'", "dependency-missing"),
    (
        "ImportError",
        "cannot import name 'db' from partially initialized module 'shop' (most likely due to a circular import)",
        "app-import-error",
    ),
    ("SyntaxError", "invalid syntax (wsgi.py, line 3)", "app-syntax-error"),
    ("KeyError", "'SECRET_KEY'", "env-config"),
    (
        "psycopg.OperationalError",
        'connection failed: FATAL:  password authentication failed for user "shop"',
        "db-auth-failed",
    ),
    (
        "sqlalchemy.exc.OperationalError",
        "(psycopg2.OperationalError) could not connect to server: Connection refused",
        "db-unreachable",
    ),
    ("psycopg2.OperationalError", "FATAL:  sorry, too many clients already", "db-too-many-connections"),
    ("sqlite3.OperationalError", "no such table: users", "db-schema-missing"),
    ("psycopg.errors.UndefinedTable", 'relation "users" does not exist', "db-schema-missing"),
    (
        "redis.exceptions.ConnectionError",
        "Error 111 connecting to redis:6379. Connection refused.",
        "backend-unavailable",
    ),
    ("OSError", "[Errno 98] Address already in use", "address-in-use"),
    ("PermissionError", "[Errno 13] Permission denied: '/var/log/x'", "permission-denied"),
    ("OSError", "[Errno 28] No space left on device", "filesystem"),
    ("OSError", "[Errno 30] Read-only file system: '/app'", "filesystem"),
    ("FileNotFoundError", "[Errno 2] No such file or directory: 'x'", "filesystem"),
    ("OSError", "[Errno 24] Too many open files", "resource-limit"),
    ("ImportError", "libGL.so.1: cannot open shared object file: No such file or directory", "native-library"),
    ("ImportError", "/lib/libc.so.6: version `GLIBC_2.34' not found (required by /x.so)", "native-library"),
    (
        "ImportError",
        "cannot import name 'escape' from 'jinja2' (/venv/lib/python3.12/site-packages/jinja2/__init__.py)",
        "version-incompatible",
    ),
    ("RuntimeError", "the weights are damaged", "app-exception"),
]


@pytest.mark.parametrize(("cause", "attributes", "expected"), BY_CAUSE)
@pytest.mark.parametrize("announced", [False, True], ids=["file", "line"])
def test_the_class_of_a_cause(
    tmp_path: Path, cause: Cause, attributes: dict[str, object], expected: str, announced: bool
):
    """From the file and from the line on stderr alike."""
    item = report(cause, **attributes)
    if announced:
        (tmp_path / "app.log").write_text(item.announcement() + "\n")
    else:
        stored(tmp_path, item)
    (incident,) = analyze([str(tmp_path)]).incidents

    assert (incident.cause, incident.cause_class, incident.code) == (cause.value, expected, item.verdict.code)


@pytest.mark.parametrize(("kind", "message", "expected"), BY_EXCEPTION, ids=lambda value: str(value)[:30])
def test_the_class_of_an_exception(tmp_path: Path, kind: str, message: str, expected: str):
    """By its type, its text and its traceback."""
    stored(tmp_path, report(type=kind, message=message, ready=False))
    (incident,) = analyze([str(tmp_path)]).incidents

    assert incident.cause_class == expected
    assert incident.code == "BC501"
    assert "app.load" in incident.summary or expected == "app-exception"


def test_a_timeout_is_judged_by_ready_and_not_by_its_exception(tmp_path: Path):
    """The abort raises SystemExit in whatever was running, a database call perhaps."""
    stored(
        tmp_path,
        report(
            Cause.GUNICORN_TIMEOUT, ready=True, step=None, type="psycopg.OperationalError", message="timeout expired"
        ),
    )

    assert analyze([str(tmp_path)]).incidents[0].cause_class == "request-timeout"


@pytest.mark.parametrize("code", ["BC101", "BC112", "BC210", "BC213", "BC402", "BC405"])
def test_the_class_of_a_failed_check(tmp_path: Path, code: str):
    """That of its code; every error of the run is among the evidence."""
    findings = [
        Finding(
            code=code,
            summary=f"The subject of {code} is wrong.",
            severity=Severity.ERROR,
            evidence=(Evidence(text="seen", source="env"),),
        ),
        Finding(code="BC110", summary="The URL begins with postgres://.", severity=Severity.ERROR),
    ]
    stored(tmp_path, report(Cause.CHECK_FAILED, role="master", code=code, findings=findings, step="check.x"))
    (incident,) = analyze([str(tmp_path)]).incidents

    assert (incident.code, incident.cause_class) == (code, CODES[code].cause_class)
    texts = {item.text for item in incident.evidence}
    assert {finding.summary for finding in findings} <= texts


def test_a_report_that_cannot_be_understood_is_listed(tmp_path: Path):
    """A cause of a later release, a verdict of the wrong shape."""
    for number, verdict in enumerate(({"cause": "meteor"}, {}, {"cause": ["oom"]})):
        document = {**report().as_dict(), "verdict": verdict, "report_id": str(number)}
        (tmp_path / f"crash-{number}.json").write_text(json.dumps(document, indent=1))
    found = analyze([str(tmp_path)])

    assert found.incidents == ()
    assert len(found.inputs.unreadable) == 3


def test_a_key_of_a_later_release_is_no_obstacle(tmp_path: Path):
    """Old readers, new reports."""
    document = {**report().as_dict(), "schema_version": 2, "mood": "gloomy"}
    (tmp_path / "crash.json").write_text(json.dumps(document, indent=1))

    assert len(analyze([str(tmp_path)]).incidents) == 1


def test_one_that_died_alike():
    """It has everything that they share, field by field, and nothing else of the first one."""
    shared = {field.name: f"a {field.name}" for field in fields(Death)}
    own = {
        name: f"another {name}"
        for name in ("source", "pid", "host", "at", "since", "server", "report_id", "path", "place")
    }

    assert Death(**shared).like(*own.values()) == replace(Death(**shared), **own, told_in=(), collateral=0)
