"""Tags that the app gives itself (release, tenant): made small and safe, whatever they are.

Loaded when the first one is set.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bootcheck.model.encode import plain, shorten
from bootcheck.model.redactor import HIDDEN, Redactor, is_secret_name

MAX_NAMES = 100
"""Different names in one process; a further one is not kept."""
MAX_NAME = 200
"""Bytes of a name."""
MAX_VALUE = 2_000
"""Bytes of a value; one that is no text counts as JSON."""
MAX_CHANGES = 2_000
"""Changes that one process writes to its journal."""
STOPPED = "bootcheck.annotations"
"""The name under which a report says that later changes are not in it."""
_NOTE = 48
"""Bytes of what is said of the rest."""
_AS_TEXT = frozenset({"uuid", "decimal", "datetime", "pathlib", "ipaddress", "fractions"})
"""Modules of the standard library whose values say more as text than as `repr`."""


class Tags:
    """The tags of one process, and which changes of them are worth a line in its journal."""

    def __init__(self, values: dict[str, Any], notify: Callable[[str], None]) -> None:
        self.values = values
        self._notify = notify
        self._changes = 0
        self._full = False

    def put(self, name: object, value: object, redactor: Redactor) -> tuple[str, Any] | None:
        """Set a tag; return what is to be journaled, None where the journal says so already."""
        key, kept = bounded(name, value, redactor)
        if key not in self.values and len(self.values) >= MAX_NAMES:
            if not self._full:
                self._full = True
                self._notify(f"bootcheck: only {MAX_NAMES} annotations are kept; {key!r} is not.")
            return None
        known = key in self.values and json.dumps(self.values[key]) == json.dumps(kept)
        self.values[key] = kept
        # An app that says the same in every request must not fill the disk; nor one that says always something else.
        if known or self._changes > MAX_CHANGES:
            return None
        self._changes += 1
        if self._changes <= MAX_CHANGES:
            return key, kept
        return STOPPED, f"{MAX_CHANGES} changes were kept: what changed later is not in this report"


def bounded(name: object, value: object, redactor: Redactor) -> tuple[str, Any]:
    """Return name and value as they are kept: JSON types, masked, cut."""
    key = _cut(_text(plain(_told(name), redactor.mask)), MAX_NAME)
    if is_secret_name(key):
        redactor.hidden += 1
        return key, HIDDEN
    kept = _hide(plain(_told(value), redactor.mask, depth=3), redactor)
    if isinstance(kept, str):
        return key, _cut(kept, MAX_VALUE)
    encoded = json.dumps(kept)
    return key, kept if len(encoded) <= MAX_VALUE else _cut(encoded, MAX_VALUE)


def _told(value: object) -> object:
    try:
        if type(value).__module__.partition(".")[0] in _AS_TEXT:
            return str(value)
    except Exception:  # noqa: BLE001 - a user's __str__ may raise anything; `plain` then says what it is
        return value
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _hide(value: Any, redactor: Redactor) -> Any:
    """Hide what stands under a secret's name: no pattern can see it there."""
    if isinstance(value, list):
        return [_hide(item, redactor) for item in value]
    if not isinstance(value, dict):
        return value
    shown: dict[str, Any] = {}
    for key, item in value.items():
        secret = is_secret_name(key)
        redactor.hidden += secret
        shown[key] = HIDDEN if secret else _hide(item, redactor)
    return shown


def _cut(text: str, limit: int) -> str:
    """Return the text, or what fits of it in `limit` bytes and a note of how much was cut."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return text
    return shorten(text, len(raw[: limit - _NOTE].decode("utf-8", "ignore")))
