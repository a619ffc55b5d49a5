"""Findings and incidents to text, one file per output format, listed in `RENDERERS`.

A renderer is a module `bootcheck.render.<name>` with two functions that yield lines:

    def incidents(analysis: Analysis, style: Style) -> Iterator[str]: ...
    def findings(checked: Sequence[Checked], style: Style) -> Iterator[str]: ...

`incidents` is for `analyze`, `findings` for `check` and whatever else has asked checks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TextIO, cast

from bootcheck.model.finding import Finding, Severity

if TYPE_CHECKING:
    from bootcheck.analysis.incidents import Analysis

RENDERERS: tuple[str, ...] = ("text", "json", "github", "junit")
"""What `--format` accepts, the default first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How text is laid out."""

    width: int = 80
    colour: bool = False

    @classmethod
    def of(cls, stream: TextIO) -> Style:
        """Return the style for a stream: colour on a terminal only, never in a pipe or a file."""
        return cls(colour=_is_terminal(stream))


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


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False
