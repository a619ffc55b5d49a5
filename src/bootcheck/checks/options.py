"""Options of checks validated at the line that gives them: what is wrong, with which option, and what to write."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Sequence
from typing import NoReturn

from bootcheck.model.errors import CheckOptionError

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]?)(?P<binary>i?)b?", re.IGNORECASE)
_VARIABLE = re.compile(r"[^=\s\0]+")
_MODULE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


def refuse(check: str, option: str, problem: str, write: str) -> NoReturn:
    """Raise the error about one option; `problem` never quotes a value that may be a secret."""
    msg = f"checks.{check}: the option {option} {problem}. {write}"
    raise CheckOptionError(msg)


def one_of(check: str, option: str, value: object, allowed: Sequence[str]) -> str:
    """Return a word of a closed list, or raise with the nearest one."""
    if isinstance(value, str) and value in allowed:
        return value
    near = difflib.get_close_matches(str(value).lower(), allowed, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(map(repr, allowed))}."
    refuse(check, option, f"is {value!r}, which is unknown", hint)


def whole(check: str, option: str, value: object, *, least: int = 0) -> int:
    """Return a whole number of at least `least`."""
    # True is an int to Python and a mistake here.
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        refuse(check, option, f"is {value!r}", f"Give a whole number of at least {least}.")
    return value


def number(check: str, option: str, value: object, *, least: float = 0.0, most: float = float("inf")) -> float:
    """Return a finite number within bounds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most or value != value:  # noqa: PLR0124
        limit = f"between {least:g} and {most:g}" if most != float("inf") else f"of at least {least:g}"
        refuse(check, option, f"is {value!r}", f"Give a number {limit}.")
    if value == float("inf"):
        refuse(check, option, "is infinite", f"Give a number of at least {least:g}.")
    return float(value)


def flag(check: str, option: str, value: object) -> bool:
    """Return True or False and nothing that only resembles them."""
    if not isinstance(value, bool):
        refuse(check, option, f"is {value!r}", "Write True or False.")
    return value


def variable(check: str, option: str, value: object) -> str:
    """Return the name of an environment variable."""
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        refuse(check, option, "is not the name of a variable", "Give the name alone, for example 'SECRET_KEY'.")
    return value


def module(check: str, option: str, value: object) -> str:
    """Return a dotted module name."""
    if not isinstance(value, str) or not _MODULE.fullmatch(value):
        refuse(check, option, f"is {value!r}, not a module's name", "Give a dotted name such as 'myapp.models'.")
    return value


def path(check: str, option: str, value: object) -> str:
    """Return a path as a text."""
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or not text or "\0" in text:
        refuse(check, option, "is no path", "Give a path, for example '/var/lib/myapp'.")
    return text


def texts(check: str, option: str, value: object) -> tuple[str, ...]:
    """Return several not empty texts; one text alone is refused, for it would count as its letters."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        refuse(check, option, "is not a list of texts", "Write a list, for example ['a', 'b'].")
    found = tuple(value)
    if not all(isinstance(item, str) and item for item in found):
        refuse(check, option, "holds something that is no text, or an empty one", "Give texts only.")
    if len(set(found)) != len(found):
        refuse(check, option, "names something twice", "Name each once.")
    return found


def size(check: str, option: str, value: object) -> int:
    """Return bytes from a number of them or from a text such as `500MB` or `1.5 GiB`."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        refuse(check, option, f"is {value!r}, which is no size", "Give bytes or a text such as '500MB'.")
    base = 1024 if match["binary"] else 1000
    return int(float(match["number"]) * base ** ("kmgt".index(match["unit"].lower()) + 1 if match["unit"] else 0))
