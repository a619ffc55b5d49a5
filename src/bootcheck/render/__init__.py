"""Findings and incidents to text, one file per output format, listed in `RENDERERS`.

A renderer is a module `bootcheck.render.<name>` with a flag and two functions that yield lines:

    HISTORY = "nothing"   # or "brief", or "whole" where it draws charts or a timeline
    def incidents(analysis: Analysis, style: Style) -> Iterator[str]: ...
    def findings(checked: Sequence[Checked], style: Style) -> Iterator[str]: ...

`incidents` is for `analyze`, `findings` for `check` and whatever else has asked checks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TextIO, cast

from bootcheck.model.finding import Finding, Severity

if TYPE_CHECKING:
    from bootcheck.analysis.incidents import Analysis

RENDERERS: tuple[str, ...] = ("text", "json", "markdown", "html", "github", "junit", "sarif")
"""What `--format` accepts, the default first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How text is laid out."""

    width: int = 80
    colour: bool = False

    @classmethod
    def of(cls, stream: TextIO) -> Style:
        """Return the style for a stream: colour on a terminal only, never in a pipe or a file, nor with NO_COLOR."""
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return cls(colour=is_terminal(stream) and not plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What one check came to."""

    name: str
    subject: str = ""
    findings: tuple[Finding, ...] = ()
    skipped: str | None = None
    """Why it was not run."""
    duration_ms: float | None = None

    @property
    def failed(self) -> bool:
        """True where it found an error."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)


class Renderer(Protocol):
    """What a renderer module offers."""

    HISTORY: str
    """How many lives and moments the analysis is to keep for it: nothing, brief (a screen's worth) or whole."""

    def incidents(self, analysis: Analysis, style: Style) -> Iterator[str]:
        """Yield the lines that tell of an analysis."""

    def findings(self, checked: Sequence[Checked], style: Style) -> Iterator[str]:
        """Yield the lines that tell what checks found."""


def renderer(name: str) -> Renderer:
    """Return the module of a listed format."""
    if name not in RENDERERS:
        msg = f"no renderer {name!r}; there are {', '.join(RENDERERS)}"
        raise KeyError(msg)
    return cast("Renderer", import_module(f"bootcheck.render.{name}"))


def is_terminal(stream: TextIO) -> bool:
    """Tell whether a person reads the stream."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False
