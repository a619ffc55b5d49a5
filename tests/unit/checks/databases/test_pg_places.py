"""Where a PostgreSQL URL leads: hosts, ports and sockets as libpq and SQLAlchemy read them."""

from __future__ import annotations

import pytest

from bootcheck.checks.databases.network import Place
from bootcheck.checks.databases.pg_places import places
from bootcheck.checks.urls import parse


def where(url: str, **environ: str) -> list[str]:
    """Return the places of a URL in words."""
    return [str(place) for place in places(parse(url), environ)]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@db/app", ["db:5432"]),
        ("postgresql://u:p@db:6543/app", ["db:6543"]),
        ("postgresql://u:p@[::1]:6543/app", ["[::1]:6543"]),
        ("postgresql://u:p@one:1,two:2/app", ["one:1", "two:2"]),
        ("postgresql://u:p@/app?host=one:1&host=two:2", ["one:1", "two:2"]),
        ("postgresql://u:p@/app?host=one,two&port=1,2", ["one:1", "two:2"]),
        ("postgresql://u:p@/app?host=one,two&port=7", ["one:7", "two:7"]),
        ("postgresql:///app?host=/run/pg", ["/run/pg/.s.PGSQL.5432"]),
        ("postgresql:///app?host=/run/pg&port=6543", ["/run/pg/.s.PGSQL.6543"]),
        ("postgresql://u@%2Frun%2Fpg/app", ["/run/pg/.s.PGSQL.5432"]),
        ("postgresql://u:p@/app?host=[::1]:5&user=x", ["[::1]:5"]),
    ],
)
def test_a_url_leads_to_places(url, expected):
    """In the order in which a client would try them."""
    assert where(url) == expected


def test_variables_of_libpq_stand_in():
    """A URL without a host leaves it to PGHOST and PGPORT."""
    assert where("postgresql:///app", PGHOST="one,two", PGPORT="1,2") == ["one:1", "two:2"]
    assert where("postgresql:///app", PGHOST="/run/pg", PGPORT="7") == ["/run/pg/.s.PGSQL.7"]
    assert where("postgresql://db/app", PGHOST="other") == ["db:5432"]


def test_without_any_host_a_socket_is_looked_for():
    """As libpq does, in the places where servers put theirs."""
    (place,) = where("postgresql:///app", PGPORT="59999")

    assert place.endswith("/.s.PGSQL.59999")


def test_a_service_file_is_libpqs_own():
    """What stands in it, only libpq can tell."""
    assert places(parse("postgresql:///?service=shop"), {}) == []
    assert places(parse("postgresql:///app"), {"PGSERVICE": "shop"}) == []


def test_a_place_in_words():
    """An IPv6 address gets its brackets."""
    assert str(Place(host="::1", port=1)) == "[::1]:1"
    assert str(Place(path="/run/x")) == "/run/x"
