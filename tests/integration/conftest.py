"""The servers that integration tests may ask for by name."""

from __future__ import annotations

from tests.integration.servers import closed_port, mariadb, mute_server, postgres, redis_server

__all__ = ["closed_port", "mariadb", "mute_server", "postgres", "redis_server"]
