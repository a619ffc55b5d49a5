"""Patterns looked for afterwards, one file each, listed here in order of precedence.

A signature is a module with

    CAUSE_CLASS = "dependency-missing"      # one of bootcheck.model.cause.CAUSE_CLASSES
    RULES = ("BC502",)                      # codes whose page its docstring is; may be empty

    def match(trouble: Trouble) -> Finding | None: ...

and, where lines outside of any traceback tell of it on their own,

    TELLTALE = late.regex(...)              # such a line
    WORDS = ("Error R10", ...)              # one of them stands in every such line: a fast sieve
    TELLTALE_CAUSE = Cause.OS_EXIT          # how the process ended, if a line alone is known of it
    BESIDE = late.regex(...)                # such a line where it is known to be about this very server
    BESIDE_WORDS = ("not reachable", ...)
    WHILE_SERVING = True                    # also asked about errors of single requests
    WHERE_ALL_FAIL = True                   # also asked about such an error where no request was answered
    SINCE_FAILED = True                     # also where none was answered after it
    WHATEVER_FOLLOWS = True                 # also asked about what was logged, and nothing is known to have failed by

`match` is asked once per exception of a chain, the last one raised first. It returns None
unless the mechanism is there: a keyword alone is not enough.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

SIGNATURES: tuple[str, ...] = (
    "launcher_error",
    "config_file_error",
    "worker_class_unavailable",
    "native_library",
    "tls_error",
    "address_in_use",
    "bad_bind_address",
    "permission_denied",
    "filesystem",
    "resource_limit",
    "illegal_instruction",
    "native_crash",
    "oom_kill",
    "monkey_patch_late",
    "app_not_found",
    "app_syntax_error",
    "version_incompatible",
    "dependency_missing",
    "app_import_error",
    "env_config",
    "db_auth_failed",
    "db_too_many_connections",
    "db_schema_missing",
    "db_forked_connection",
    "db_unreachable",
    "backend_unavailable",
    "app_startup_race",
    "ended_with_status",
    "boot_deadline",
    "boot_timeout",
    "request_timeout",
    "stopped_by_platform",
    "stopped_in_boot",
    "killed_from_outside",
    "vanished",
    "shutdown_timeout",
)
"""In the order of the cause classes: the first that fits wins."""

GENERAL: tuple[str, ...] = ("sys_exit", "silent_exit", "boot_exception")
"""Asked when no exception of the chain fits any of the others."""


class Signature(Protocol):
    """What a signature module offers."""

    CAUSE_CLASS: str
    RULES: tuple[str, ...]

    def match(self, trouble: Trouble) -> Finding | None:
        """Return the conclusion, or None where this is not it."""


@cache
def load(name: str) -> Signature:
    """Return the module of a listed signature."""
    return cast("Signature", import_module(f"bootcheck.analysis.signatures.{name}"))


def specific() -> list[Signature]:
    """Return the signatures that know a mechanism, in order of precedence."""
    return [load(name) for name in SIGNATURES]


def general() -> list[Signature]:
    """Return the signatures that say at least what is known."""
    return [load(name) for name in GENERAL]


def telltale(signature: Signature) -> re.Pattern[str] | None:
    """Return the pattern of lines that tell of it on their own."""
    return getattr(signature, "TELLTALE", None)


def words(signature: Signature) -> tuple[str, ...]:
    """Return the words of which one stands in each of its telltale lines."""
    return getattr(signature, "WORDS", ())


def beside(signature: Signature) -> re.Pattern[str] | None:
    """Return the pattern of lines that tell of it where they are known to be about this server."""
    return getattr(signature, "BESIDE", None)


def beside_words(signature: Signature) -> tuple[str, ...]:
    """Return the words of which one stands in each of those."""
    return getattr(signature, "BESIDE_WORDS", ())


def telltale_cause(signature: Signature) -> Cause:
    """Return how a process ended of which such a line alone is known."""
    return getattr(signature, "TELLTALE_CAUSE", Cause.OS_EXIT)


def while_serving(signature: Signature) -> bool:
    """Tell whether it is asked about errors of single requests."""
    return bool(getattr(signature, "WHILE_SERVING", False))


def whatever_follows(signature: Signature) -> bool:
    """Tell whether it is asked about an error that nothing is known to have failed by."""
    return bool(getattr(signature, "WHATEVER_FOLLOWS", False))


def since_failed(signature: Signature) -> bool:
    """Tell whether it is asked about a request's error after which no other was answered."""
    return bool(getattr(signature, "SINCE_FAILED", False))


def where_all_fail(signature: Signature) -> bool:
    """Tell whether it is asked about a request's error in a log in which none was answered."""
    return bool(getattr(signature, "WHERE_ALL_FAIL", False))
