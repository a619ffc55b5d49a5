"""A connection that several workers share shows itself in requests, whatever the server does next."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, SITE, TERM, frame, start

QUERY = "Traceback (most recent call last):\n" + frame(SITE + "falcon/api.py", "on_get", "books = query.all()")


@pytest.mark.parametrize(
    "said",
    [
        "pymongo.errors.ProtocolError: Got response id 1804289418 but expected 1804289422",
        "psycopg2.DatabaseError: error with status PGRES_TUPLES_OK and no message from the libpq",
    ],
)
def test_mixed_answers_are_told_beside_requests_that_go_well(said: str):
    """In the framework's words for a failed request, or in the app's own."""
    for head in (
        "2026-11-27 09:02:00,1 app ERROR: Exception on /books [GET]\n",
        "ERROR books: unhandled in GET /books\n",
    ):
        assert classes(told(start() + GET + head + QUERY + said + "\n" + GET + TERM)) == [("db-forked-connection", 1)]


def test_what_a_server_logs_and_lives_with_is_no_incident():
    """Other errors of the same shape."""
    said = "psycopg2.OperationalError: server closed the connection unexpectedly\n"
    assert classes(told(start() + GET + "ERROR books: unhandled in GET /books\n" + QUERY + said + GET + TERM)) == []
