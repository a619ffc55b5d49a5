"""JSON for tools: exactly the object that the contract promises."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bootcheck.render import Checked, Style

if TYPE_CHECKING:
    from bootcheck.analysis.incidents import Analysis

HISTORY = "nothing"
SCHEMA_VERSION = 1


def incidents(analysis: Analysis, style: Style) -> Iterator[str]:  # noqa: ARG001
    """Yield the object of `analyze`: incidents, unexplained, inputs; advice where there is any."""
    yield dumped(analysis.as_dict())


def findings(checked: Sequence[Checked], style: Style) -> Iterator[str]:  # noqa: ARG001
    """Yield an object with every check and its findings."""
    yield dumped(
        {
            "schema_version": SCHEMA_VERSION,
            "checks": [
                {
                    "name": check.name,
                    "subject": check.subject,
                    "skipped": check.skipped,
                    "duration_ms": check.duration_ms,
                    "findings": [finding.as_dict() for finding in check.findings],
                }
                for check in checked
            ],
        }
    )


def dumped(value: Any) -> str:
    """Return indented JSON in ASCII, so that no terminal or pipe can spoil it."""
    return json.dumps(value, indent=1, default=str)
