"""Conclusions go by SQLSTATE and number, and no text of a finding holds a secret."""

from __future__ import annotations

import errno
import socket

import pytest

from bootcheck.checks.databases.failure import (
    Failure,
    Masker,
    login_summary,
    of_mysql_error,
    of_network,
    of_sqlstate,
    statement_summary,
)
from bootcheck.model.codes import CODES

LIVE = [f"BC2{number}" for number in range(10, 21)]


@pytest.mark.parametrize(
    ("sqlstate", "code"),
    [
        ("28P01", "BC213"),
        ("28000", "BC213"),
        ("3D000", "BC214"),
        ("53300", "BC215"),
        ("57P03", "BC217"),
        ("57P01", "BC217"),
        ("42501", "BC218"),
        ("25006", "BC219"),
        ("57014", "BC212"),
        ("XX000", "BC220"),
        ("", "BC220"),
        (None, "BC220"),
    ],
)
def test_a_sqlstate_means_one_code(sqlstate, code):
    """Whatever words the server chose."""
    assert of_sqlstate(sqlstate) == code


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (1045, "BC213"),
        (1049, "BC214"),
        (1040, "BC215"),
        (1226, "BC215"),
        (2026, "BC216"),
        (1047, "BC217"),
        (1142, "BC218"),
        (1290, "BC219"),
        (2003, "BC210"),
        (2005, "BC211"),
        (1064, "BC220"),
        (None, "BC220"),
    ],
)
def test_a_mysql_error_means_one_code(number, code):
    """Servers and client libraries share one range of numbers."""
    assert of_mysql_error(number) == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Verbindung abgelehnt"), "BC210"),
        (OSError(errno.EHOSTUNREACH, "kein Weg"), "BC210"),
        (OSError(errno.ETIMEDOUT, "zu spät"), "BC212"),
        (TimeoutError(), "BC212"),
        (socket.gaierror(socket.EAI_NONAME, "unbekannt"), "BC211"),
        (OSError(errno.EACCES, "verboten"), "BC220"),
    ],
)
def test_a_network_error_means_one_code(error, code):
    """The number decides; the operating system's words may be in any language."""
    failure = of_network(error, "db:5432")

    assert failure.code == code
    assert "db:5432" in failure.summary


@pytest.mark.parametrize("code", LIVE)
def test_every_code_says_what_to_do(code):
    """A finding without an action leaves its reader alone."""
    finding = Failure(code, "It does not work.").finding("db", str)

    assert finding.action
    assert finding.code == code
    assert login_summary(code, "db:1", "app", "shop").startswith(("db:1", "User app"))
    assert statement_summary(code, "db:1").startswith("db:1")


@pytest.mark.parametrize("code", LIVE)
def test_what_waiting_may_cure_is_what_exits_69(code):
    """The catalogue decides, in one place."""
    assert Failure(code, "").transient == (CODES[code].exit_code == 69)


def test_no_secret_survives_in_a_finding():
    """Not in what the driver said, not in the summary, encoded or not."""
    masker = Masker(lambda text: text.replace("other-secret", "***"), "hunter22", None)
    failure = Failure("BC220", "db with hunter22", text="could not use hunter22 and other-secret")
    told = str(failure.finding("db", masker).as_dict())

    assert "hunter22" not in told
    assert "other-secret" not in told
    assert "could not use" in told


def test_a_long_answer_is_cut():
    """A server may send a page of text; the finding stays readable."""
    finding = Failure("BC220", "x", text="a" * 100_000).finding("db", str)

    assert len(finding.evidence[0].text) < 1_000
