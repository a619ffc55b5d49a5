"""Addresses as Gunicorn's `bind` spells them, read without Gunicorn."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

DEFAULT_PORT = 8000
MAX_UNIX_PATH = 107
"""Bytes of a Unix socket's path on Linux, without the zero byte at its end."""


class AddressError(ValueError):
    """Why a text is no address, as the end of a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address: exactly one of `path`, `fd` and `port` is given."""

    text: str
    host: str = ""
    port: int | None = None
    path: str | None = None
    fd: int | None = None

    @property
    def ipv6(self) -> bool:
        """True for an IPv6 literal; Gunicorn takes every name for IPv4."""
        try:
            socket.inet_pton(socket.AF_INET6, self.host)
        except (OSError, ValueError):
            return False
        return True


def parse(text: str) -> Address:
    """Return the address that Gunicorn would make of a text; raises AddressError where it makes none."""
    unix = re.match(r"unix:(?://)?", text)
    if unix:
        path = text[unix.end() :]
        if not path:
            msg = "names no path after unix:"
            raise AddressError(msg)
        return Address(text=text, path=path)
    if text.startswith("fd://"):
        return Address(text=text, fd=_number(text[5:], "names no descriptor after fd://"))
    netloc = text.removeprefix("tcp://")
    host, port = _split(netloc)
    number = DEFAULT_PORT if port is None else _number(port, "has a port that is not a number")
    if number > 65535:
        msg = "has a port above 65535"
        raise AddressError(msg)
    return Address(text=text, host=host.lower(), port=number)


def _split(netloc: str) -> tuple[str, str | None]:
    if netloc.startswith("[") and "]" in netloc:
        host, _, rest = netloc[1:].partition("]")
        return host, rest[1:] if rest.startswith(":") else None
    if ":" in netloc:
        host, port = netloc.split(":")[:2]
        return host, port
    return netloc or "0.0.0.0", None  # noqa: S104 - what Gunicorn makes of an empty address


def _number(text: str, problem: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise AddressError(problem)
    return int(text)
