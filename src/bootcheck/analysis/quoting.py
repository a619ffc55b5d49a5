"""Foreign text made fit to be shown: masked, without control characters, cut; and its template."""

from __future__ import annotations

import re
from functools import lru_cache

from bootcheck.analysis.readers.prefixes import clean
from bootcheck.model.redact import HIDDEN, mask

MAX_QUOTED = 600
_MAX_MASKED = 16_384
_OPEN_PARAMETERS = re.compile(r"\[parameters: (?!\*\*\*).*", re.DOTALL)
_TEMPLATE = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|0x[0-9a-fA-F]+|\b[0-9a-f]{16,}\b|\d+"
)


def quoted(text: str, limit: int = MAX_QUOTED) -> str:
    """Return foreign text as it may be shown."""
    masked = mask("\n".join(clean(line) for line in text[:_MAX_MASKED].splitlines()))
    # A statement's parameters over several lines of a log have no closing bracket here.
    masked = _OPEN_PARAMETERS.sub(f"[parameters: {HIDDEN}", masked)
    return masked if len(masked) <= limit else masked[: limit - 1] + "…"


@lru_cache(maxsize=4096)
def template(text: str, limit: int = 200) -> str:
    """Return the text with what differs between two tellings of the same replaced by `<n>`."""
    # Cut afterwards: half an identifier is none that the pattern knows.
    return _TEMPLATE.sub("<n>", quoted(text))[:limit]
