"""Where a PostgreSQL URL says that servers are: one host, several, a Unix socket, or nothing at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

from bootcheck.checks.databases.network import Place
from bootcheck.checks.urls import DatabaseUrl

DEFAULT_FOLDERS = ("/var/run/postgresql", "/tmp")  # noqa: S108 - where servers put their sockets
_DEFAULT_PORT = "5432"


def places(url: DatabaseUrl, environ: Mapping[str, str]) -> list[Place]:
    """Return the places in the order in which a client tries them; empty where only a service file knows."""
    default = str(url.port or environ.get("PGPORT") or _DEFAULT_PORT)
    hosts, ports = _of_query(url)
    if hosts:
        return [_place(host, _nth(ports, index, default)) for index, host in enumerate(hosts)]
    if url.host:
        return [_place(unquote(host), str(port or default)) for host, port in url.hosts if host]
    if url.query.get("service") or environ.get("PGSERVICE"):
        return []
    if environ.get("PGHOST"):
        ports = environ.get("PGPORT", "").split(",")
        return [_place(host, _nth(ports, index, default)) for index, host in enumerate(environ["PGHOST"].split(","))]
    paths = [f"{folder}/.s.PGSQL.{default}" for folder in DEFAULT_FOLDERS]
    return [Place(path=next((path for path in paths if os.path.exists(path)), paths[0]), port=int(default))]


def _of_query(url: DatabaseUrl) -> tuple[list[str], list[str]]:
    """Return hosts and ports of the query, each as often as it is written."""
    # DatabaseUrl.query keeps the last of each name, and several hosts are several `host=`.
    pairs = parse_qsl(url.masked.rpartition("?")[2], keep_blank_values=True) if url.query else []
    found: dict[str, list[str]] = {"host": [], "port": []}
    for name, value in pairs:
        if name in found:
            found[name] += [part for part in value.split(",") if part]
    return found["host"], found["port"]


def _nth(ports: list[str], index: int, default: str) -> str:
    """Return a host's port: its own, the only one there is, or the default."""
    if len(ports) == 1:
        return ports[0] or default
    return (ports[index] if index < len(ports) else "") or default


def _place(host: str, port: str) -> Place:
    # SQLAlchemy writes several hosts as host=one:5432&host=two:5432.
    name, colon, own = host.rpartition(":")
    if colon and own.isdigit() and (":" not in name or name.startswith("[")):
        host, port = name.strip("[]"), own
    number = int(port) if port.isdigit() else int(_DEFAULT_PORT)
    if host.startswith(("/", "@")):
        return Place(path=f"{host}/.s.PGSQL.{number}", port=number, host=host)
    return Place(host=host or "localhost", port=number)
