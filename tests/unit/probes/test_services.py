"""What an address suggests."""

from __future__ import annotations

import pytest

from bootcheck.probes.services import service_of


@pytest.mark.parametrize(
    ("peer", "service"),
    [
        ("10.0.0.5:5432", "PostgreSQL"),
        ("[::1]:3306", "MySQL"),
        ("127.0.0.1:6379", "Redis"),
        ("127.0.0.1:49152", None),
        ("/run/postgresql/.s.PGSQL.5433", "PostgreSQL"),
        ("/run/mysqld/mysqld.sock", "MySQL"),
        ("@abstract", None),
        ("nonsense", None),
    ],
)
def test_a_guess_by_port_or_path(peer, service):
    """Never more than a guess, and none where there is no reason."""
    assert service_of(peer) == service
