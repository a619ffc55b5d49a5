"""What the questions need to know: the URL, the options of the check, and where answers go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bootcheck.checks.urls import DatabaseUrl
from bootcheck.recorder import Recorder

PRIVILEGES = ("connect", "usage", "create", "write", "temporary")
"""What `privileges=` may name: log in, see the schema, create tables, change rows, use temporary tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One run of the check."""

    url: DatabaseUrl = field(repr=False)
    recorder: Recorder
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    mask: Callable[[str], str]
    facts: dict[str, Any] = field(default_factory=dict)
    workers: int = 1
    connect_timeout: float = 10.0
    ddl: str | None = None
    privileges: tuple[str, ...] | None = None
    read_only_ok: bool = False
    require_tls: bool = False

    @property
    def user(self) -> str:
        """The user in words."""
        return self.url.username or "(the operating system's)"

    @property
    def database(self) -> str:
        """The database in words."""
        return self.url.database or "(the user's own)"
