"""How hard a secret is to guess, without keeping or showing it."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

DEFAULT_MIN_LENGTH = 16
DEFAULT_MIN_ENTROPY = 28.0
"""Bits, as `entropy_bits` counts them: 16 random hexadecimal digits have more, repeated words and sequences less."""

_EXAMPLE_WORDS = """
a abc access an and any api apikey app application auth bar base baz be before bytes cert change changed
changeit changeme char character characters chars config cookie crypt csrf db default demo deploy dev devel
development django do dont dummy edit encryption enter env environment example fake fastapi fill fixme flask foo
for from generate generated goes guess hard hash here hex hmac in insecure into is it jwt key keys later letters
local localhost long longer make master me minimum must my mykey mysecret never new no not of on one only or our
pass passphrase passwd password phrase place placeholder please prod production project put pw qwerty random
really replace root safe salt sample secret secretkey secrets secure server session set should sign signing site
some something staging string strong super supersecret temp temporary test testing tests text that the thing
this to todo token unsafe update use user value very web will with word work wsgi xxx you your yourself
"""
_WORDS = frozenset(_EXAMPLE_WORDS.split())
_LONGEST = max(map(len, _WORDS))
_KNOWN = frozenset(
    (
        # Flask's documentation, old and new.
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
        '_5#y2L"F4Q8z\\n\\xec]/',
        '_5#y2l"f4q8z\\xec]/',
        '\\xfd{h\\xe5<\\x95\\xf9\\xe3\\x96.5\\xd1\\x01o<!\\xd5\\xa2\\xa0\\x9fr"\\xa1\\xa8',
        # FastAPI's documentation.
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        # The best-known tokens of the web: jwt.io's secret and the words of bad password lists.
        "your-256-bit-secret",
        "correct horse battery staple",
        "correcthorsebatterystaple",
        "letmein",
        "iloveyou",
        "hunter2",
        "p@ssw0rd",
        "passw0rd",
        "asdf",
        "asdfasdf",
        "admin",
        "none",
        "null",
        "true",
        "undefined",
    )
)
_TEMPLATE = re.compile(
    r"^(?:<[^<>]*>|\$\{[^{}]*\}|\$\([^()]*\)|\{\{.*\}\}|%\([^()]*\)s|\$[A-Z_][A-Z0-9_]*"
    r"|\[[A-Za-z _\-]+\]|__[A-Za-z_]+__)$"
)
_SPLIT = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")
_STEPS = frozenset(pair for row in _ROWS for pair in (*pairwise(row), *pairwise(row[::-1])))


def placeholder_kind(value: str) -> str | None:
    """Return which sort of placeholder a value is, in words that do not quote it, or None."""
    text = value.strip().strip("'\"")
    lowered = text.lower()
    if lowered.startswith("django-insecure-"):
        return "a key that Django's startproject wrote and marked as insecure"
    if _TEMPLATE.match(text):
        return "a template marker that was never filled in"
    if lowered in _KNOWN:
        return "a value that stands in well-known documentation or word lists"
    if text and len(set(lowered)) == 1:
        return "one character repeated"
    tokens = [token.lower() for token in _SPLIT.split(text) if token]
    letters = sum(len(token) for token in tokens if token.isalpha())
    # Random hexadecimal digits fall apart into `a`, `be` and numbers too: words must be most of it.
    if letters >= 3 and letters * 2 >= sum(map(len, tokens)) and all(map(_is_filler, tokens)):
        return "made of nothing but words from examples"
    return None


def entropy_bits(value: str) -> float:
    """Return an estimate of the bits in a value: repetition, sequences and keyboard rows count for nothing."""
    unit = _period(value)
    kept = _without_runs(unit)
    if not kept:
        return 0.0
    counts = Counter(kept)
    size = len(kept)
    if len(counts) == 1:
        return 0.0
    per_char = -sum(count / size * math.log2(count / size) for count in counts.values())
    # Frequencies in a short text look less even than their source is (Miller and Madow's correction).
    per_char += (len(counts) - 1) / (2 * size * math.log(2))
    return round(per_char * size, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """What can be said of a secret without saying it."""

    length: int
    entropy_bits: float
    placeholder: str | None


def measure(value: str) -> Strength:
    """Measure a secret."""
    return Strength(length=len(value), entropy_bits=entropy_bits(value), placeholder=placeholder_kind(value))


def _is_filler(token: str) -> bool:
    if token in _WORDS or (len(token) <= 4 and token.isdigit()):
        return True
    # `secretkeychangeme`: a run of the same words without separators.
    reach = {0}
    for end in range(1, len(token) + 1):
        starts = range(max(0, end - _LONGEST), end - 1)
        if any(start in reach and token[start:end] in _WORDS for start in starts):
            reach.add(end)
    return token.isalpha() and len(token) in reach


def _period(value: str) -> str:
    """Return the shortest unit whose repetition (the last one may be cut) is the value."""
    fail = [0] * len(value)
    matched = 0
    for index in range(1, len(value)):
        while matched and value[index] != value[matched]:
            matched = fail[matched - 1]
        matched += value[index] == value[matched]
        fail[index] = matched
    period = len(value) - fail[-1] if value else 0
    return value[:period] if period * 2 <= len(value) else value


def _without_runs(value: str) -> str:
    """Leave out what continues a sequence; two neighbours alone are chance, three are a pattern."""
    lowered = value.lower()
    steps = [False, *(_follows(before, char) for before, char in pairwise(lowered)), False]
    return "".join(
        char for index, char in enumerate(value) if not (steps[index] and (steps[index - 1] or steps[index + 1]))
    )


def _follows(before: str, char: str) -> bool:
    if (before, char) in _STEPS or before == char:
        return True
    return before.isalnum() and char.isalnum() and len(before) == len(char) == 1 and abs(ord(char) - ord(before)) == 1
