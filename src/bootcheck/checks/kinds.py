"""Kinds of values that an environment variable may have, and what is wrong with one. Values are never quoted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

from bootcheck.checks.spelling import nearest

TRUE_WORDS = ("1", "true", "yes", "on", "y", "t")
FALSE_WORDS = ("0", "false", "no", "off", "n", "f")

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-_]*")
_UNEXPANDED = re.compile(r"\$\{?[A-Za-z_]|\$\(|\{\{|%[A-Za-z_]+%")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a value should be."""

    kind: str = "text"
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    schemes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """Why a value is not what it should be."""

    problem: str
    """Continues the sentence "NAME …"."""
    action: str


def mismatch(value: str, expected: Expected) -> Mismatch | None:
    """Return what is wrong with a value that is not empty, or None."""
    return KINDS[expected.kind](value.strip(), expected)


def _text(value: str, expected: Expected) -> Mismatch | None:  # noqa: ARG001 - one signature for every kind
    return None


def _url(value: str, expected: Expected) -> Mismatch | None:
    shape = f"Write a URL such as {expected.schemes[0] if expected.schemes else 'https'}://host/path."
    scheme, separator, _ = value.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        return Mismatch(problem="is not a URL: it has no scheme followed by ://", action=shape)
    if any(char.isspace() for char in value):
        return Mismatch(problem="is not a URL: it holds white space", action="Write the white space as %20.")
    lowered = scheme.lower()
    if expected.schemes and lowered not in expected.schemes:
        near = nearest(lowered, expected.schemes)
        hint = (
            f"Did you mean {near}://?" if near else f"Expected: {', '.join(f'{name}://' for name in expected.schemes)}."
        )
        # What stands before :// may be anything at all, also the first part of a secret.
        return Mismatch(problem="is a URL with another scheme than expected", action=hint)
    return _authority(value, shape)


def _authority(value: str, shape: str) -> Mismatch | None:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return Mismatch(problem="is a URL whose host or port cannot be read", action=shape)
    if port == 0:
        return Mismatch(problem="is a URL with port 0", action=shape)
    # A socket or a file has a path and no host; SQLite in memory has nothing at all.
    if not (parts.hostname or parts.path.strip("/") or parts.query or parts.scheme.startswith("sqlite")):
        return Mismatch(problem="is a URL without a host", action=shape)
    return None


def _integer(value: str, expected: Expected) -> Mismatch | None:
    if not _INTEGER.fullmatch(value):
        return Mismatch(
            problem=f"is not a whole number ({_looks(value)})", action=f"Write {_range(expected)} as digits."
        )
    number = int(value)
    if expected.minimum is not None and number < expected.minimum:
        return Mismatch(problem=f"is below {expected.minimum}", action=f"Write {_range(expected)}.")
    if expected.maximum is not None and number > expected.maximum:
        return Mismatch(problem=f"is above {expected.maximum}", action=f"Write {_range(expected)}.")
    return None


def _choice(value: str, expected: Expected) -> Mismatch | None:
    if value in expected.choices:
        return None
    same = [choice for choice in expected.choices if choice.lower() == value.lower()]
    near = same[0] if same else nearest(value, expected.choices)
    hint = f"Did you mean {near}? " if near else ""
    return Mismatch(
        problem="is none of the allowed values" + (" (upper and lower case differ)" if same else ""),
        action=f"{hint}Write one of: {', '.join(expected.choices)}.",
    )


def _path(value: str, expected: Expected) -> Mismatch | None:  # noqa: ARG001
    if "\0" in value:
        return Mismatch(problem="is not a path: it holds a zero byte", action="Write the path without it.")
    if value.startswith("~"):
        return Mismatch(
            problem="begins with ~, which only a shell replaces", action="Write the home directory in full."
        )
    if _UNEXPANDED.search(value):
        return Mismatch(problem="holds a variable that nobody expanded", action="Write the path in full.")
    if "://" in value:
        return Mismatch(problem="is a URL and not a path", action="Write the path alone, beginning with /.")
    return None


def _boolean(value: str, expected: Expected) -> Mismatch | None:  # noqa: ARG001
    if value.lower() in TRUE_WORDS + FALSE_WORDS:
        return None
    return Mismatch(
        problem=f"is neither true nor false ({_looks(value)})",
        action="Write one of: 1, true, yes, on, 0, false, no, off.",
    )


KINDS: Mapping[str, Callable[[str, Expected], Mismatch | None]] = MappingProxyType(
    {"text": _text, "url": _url, "integer": _integer, "choice": _choice, "path": _path, "boolean": _boolean}
)
"""Every kind, by the name that users give."""


def _looks(value: str) -> str:
    held = []
    if any(char.isalpha() for char in value):
        held.append("letters")
    if any(char.isdigit() for char in value):
        held.append("digits")
    if any(not char.isalnum() for char in value):
        held.append("other characters")
    return f"{len(value)} characters: {', '.join(held)}"


def _range(expected: Expected) -> str:
    if expected.minimum is not None and expected.maximum is not None:
        return f"a whole number from {expected.minimum} to {expected.maximum}"
    if expected.minimum is not None:
        return f"a whole number of at least {expected.minimum}"
    if expected.maximum is not None:
        return f"a whole number of at most {expected.maximum}"
    return "a whole number"
