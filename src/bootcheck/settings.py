"""The `BOOTCHECK_*` variables, typed and validated. Nothing else reads them."""

from __future__ import annotations

import os
from collections.abc import Mapping

PREFIX = "BOOTCHECK_"

VARIABLES: Mapping[str, str] = {
    "BOOTCHECK_DIR": "Where reports and journals go. Default: $STATE_DIRECTORY, $LOGS_DIRECTORY, "
    "else /tmp/bootcheck-<euid>.",
    "BOOTCHECK_ENFORCE": "observe: nothing is ever stopped. declared (default): declared checks stop a start. "
    "all: discovered checks count as declared.",
    "BOOTCHECK_REQUIRE_ENV": "Comma-separated names of variables that must be set and not empty (declared).",
    "BOOTCHECK_BOOT_DEADLINE": "Seconds from fork to ready; a worker over it is reported with its stack and ended. "
    "0 (default): off.",
    "BOOTCHECK_PROBE_BIND": "host:port of a side port with /health and /ready, served by a process of its own. "
    "Default: off.",
    "BOOTCHECK_LOG": "summary (default): a line per process that becomes ready or is told to stop, every warning "
    "and failure. "
    "checkpoints: a line per checkpoint. json: the same as JSON. off: only what stopped the server, and the "
    "report lines.",
    "BOOTCHECK_DISABLE": "1: nothing at all happens.",
}

ENFORCE = ("observe", "declared", "all")
LOG = ("summary", "checkpoints", "json", "off")
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("", "0", "false", "no", "off")


class Settings:
    """What the environment asks of bootcheck; a plain class, for it is on every boot's path."""

    def __init__(  # noqa: PLR0913
        self,
        *,
        directory: str | None = None,
        enforce: str = "declared",
        require_env: tuple[str, ...] = (),
        boot_deadline: float = 0.0,
        probe_bind: tuple[str, int] | None = None,
        log: str = "summary",
        disabled: bool = False,
    ) -> None:
        """Take the values; `boot_deadline` is in seconds, 0 is off."""
        self.directory = directory
        self.enforce = enforce
        self.require_env = require_env
        self.boot_deadline = boot_deadline
        self.probe_bind = probe_bind
        self.log = log
        self.disabled = disabled

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the variables; raises SettingError with all problems of the environment at once."""
        problems: list[str] = []
        for name in environ:
            if name.startswith(PREFIX) and name not in VARIABLES:
                problems.append(f"{name} is not a variable of bootcheck. {_nearest(name, list(VARIABLES))}")
        values = _Values(environ, problems)
        settings = cls(
            directory=environ.get("BOOTCHECK_DIR") or None,
            enforce=values.choice("BOOTCHECK_ENFORCE", ENFORCE, "declared"),
            require_env=values.names("BOOTCHECK_REQUIRE_ENV"),
            boot_deadline=values.seconds("BOOTCHECK_BOOT_DEADLINE"),
            probe_bind=values.address("BOOTCHECK_PROBE_BIND"),
            log=values.choice("BOOTCHECK_LOG", LOG, "summary"),
            disabled=values.flag("BOOTCHECK_DISABLE"),
        )
        if problems and not settings.disabled:
            from bootcheck.model.errors import SettingError

            raise SettingError("\n".join(problems))
        return settings


def disabled(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether `BOOTCHECK_DISABLE` is set, without looking at anything else."""
    return environ.get("BOOTCHECK_DISABLE", "").strip().lower() in _TRUE


class _Values:
    def __init__(self, environ: Mapping[str, str], problems: list[str]) -> None:
        self.environ = environ
        self.problems = problems

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.environ.get(name, "").strip() or default
        if value.lower() in allowed:
            return value.lower()
        self.problems.append(f"{name}={value!r} is not one of {', '.join(allowed)}. {_nearest(value, list(allowed))}")
        return default

    def names(self, name: str) -> tuple[str, ...]:
        found = tuple(part.strip() for part in self.environ.get(name, "").split(",") if part.strip())
        for part in found:
            if "=" in part or any(char.isspace() for char in part):
                self.problems.append(
                    f"{name} holds an entry that is no variable name (entry {found.index(part) + 1}). "
                    "Write names separated by commas, without values."
                )
        return found

    def seconds(self, name: str) -> float:
        text = self.environ.get(name, "").strip()
        if not text:
            return 0.0
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf"):
            self.problems.append(
                f"{name}={text!r} is not a number of seconds. Write for example {name}=120, or 0 for off."
            )
            return 0.0
        return value

    def address(self, name: str) -> tuple[str, int] | None:
        text = self.environ.get(name, "").strip()
        if not text:
            return None
        host, colon, port = text.rpartition(":")
        if colon and port.isdigit() and 0 <= int(port) < 65536:
            return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - an empty host means every address
        self.problems.append(f"{name}={text!r} is not host:port. Write for example {name}=127.0.0.1:9090.")
        return None

    def flag(self, name: str) -> bool:
        text = self.environ.get(name, "").strip().lower()
        if text not in (*_TRUE, *_FALSE):
            self.problems.append(f"{name}={text!r} is neither 1 nor 0. Write {name}=1 to switch bootcheck off.")
        return text in _TRUE


def _nearest(word: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(word.upper() if word.isupper() else word, known, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."
