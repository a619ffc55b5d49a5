"""How a signature states what it concluded."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import CODE_OF_CAUSE
from bootcheck.model.finding import Evidence, Finding

FALLBACK_CODE = "BC501"


def conclude(  # noqa: PLR0913
    trouble: Trouble,
    summary: str,
    *action: str,
    code: str | None = None,
    confirm: str | None = None,
    confidence: str = "high",
    against: Sequence[str] = (),
    evidence: Sequence[Evidence] | None = None,
) -> Finding:
    """Return the finding about one trouble: its code is that of the cause unless another is given."""
    return Finding(
        code=code or CODE_OF_CAUSE.get(trouble.cause, FALLBACK_CODE),
        summary=summary,
        action=action,
        confirm=confirm,
        confidence=confidence,
        against=tuple(against),
        evidence=tuple(dict.fromkeys(trouble.shown() if evidence is None else evidence)),
    )


def first(pattern: re.Pattern[str], text: str, default: str = "") -> str:
    """Return the first group of the first match that is not empty."""
    match = pattern.search(text)
    return next((group for group in match.groups() if group), default) if match is not None else default


def one_line(text: str, limit: int = 160) -> str:
    """Return the first line of a text, shortened."""
    line = text.strip().splitlines()[0] if text.strip() else ""
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def waited_for(trouble: Trouble, pattern: re.Pattern[str]) -> Evidence | None:
    """Return the last line of a start script that waits, where it waited in vain and no server came after it."""
    told = [item for item in trouble.said if pattern.search(item.text)]
    return told[-1] if told and " is up - " not in told[-1].text and trouble.unstarted else None
