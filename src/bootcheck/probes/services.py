"""What probably listens at an address: a guess by its port or by the name of its socket, never by asking."""

from __future__ import annotations

PORTS = {
    25: "SMTP",
    80: "HTTP",
    389: "LDAP",
    443: "HTTPS",
    514: "syslog",
    636: "LDAP",
    1433: "SQL Server",
    1521: "Oracle",
    2181: "ZooKeeper",
    3306: "MySQL",
    4222: "NATS",
    4317: "OpenTelemetry",
    5432: "PostgreSQL",
    5671: "AMQP",
    5672: "AMQP",
    6379: "Redis",
    6380: "Redis",
    6432: "PgBouncer",
    8125: "StatsD",
    8126: "Datadog agent",
    9020: "logging.SocketHandler",
    9042: "Cassandra",
    9092: "Kafka",
    9200: "Elasticsearch",
    11211: "memcached",
    26379: "Redis Sentinel",
    27017: "MongoDB",
}
_PATHS = {
    ".s.PGSQL.": "PostgreSQL",
    "mysql": "MySQL",
    "maria": "MySQL",
    "redis": "Redis",
    "memcached": "memcached",
    "docker": "Docker",
    "journal": "journald",
    "/dev/log": "syslog",
}


def service_of(peer: str) -> str | None:
    """Return the service that an address (`host:port`, `[::1]:port` or a path) suggests, or None."""
    if peer.startswith(("/", "@")):
        return next((name for part, name in _PATHS.items() if part in peer), None)
    port = peer.rpartition(":")[2]
    return PORTS.get(int(port)) if port.isdigit() else None
