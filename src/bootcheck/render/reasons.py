"""What a person asks next, on the screen of `analyze`: what came before, and what else it could have been.

Only what adds something: a first sign that is not the death itself, a last good boot that was read, other
explanations that somebody would think of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bootcheck.analysis.pattern import seconds
from bootcheck.analysis.quoting import quoted
from bootcheck.model.stamps import rfc3339

if TYPE_CHECKING:
    from bootcheck.analysis.hypotheses import Hypothesis
    from bootcheck.analysis.story import Chapter

Section = tuple[str, Sequence[str]]
"""A label in the margin, and what stands beside it."""
MAX_CHANGES = 5
MAX_OTHERS = 4
MAX_TEXT = 200
EARLIER = 1.0
"""Seconds before the first death from which on a bad line is a sign of it, and not the death itself."""
_STANDING = ("confirmed", "likely", "open")


def before(chapter: Chapter) -> Iterator[Section]:
    """Yield the first sign, the last good boot, and what changed since."""
    first = min(chapter.incident.pattern.times, default=None)
    sign, good = chapter.first_sign, chapter.good
    if first is None:
        return
    if sign is not None and first - sign.at >= EARLIER and not _cited(chapter, sign.source, sign.line):
        where = sign.source if sign.line is None else f"{sign.source}:{sign.line}"
        told = quoted(sign.text, MAX_TEXT)
        yield "First sign", [f"{_clock(sign.at)}, {seconds(first - sign.at)} before: {told} ({where})"]
    if good is None or good.ready is None:
        return
    same = "" if chapter.changes else "; versions, settings and tags are the same"
    yield (
        "Last good",
        [f"{good.role} {good.pid} was ready at {_clock(good.ready)}, {seconds(first - good.ready)} before{same}"],
    )
    changes = [f"{name}: {old or 'unset'} → {new or 'unset'}" for name, old, new in chapter.changes]
    left = len(changes) - MAX_CHANGES
    yield "Changed", [*changes[:MAX_CHANGES], *([f"and {left} more"] if left > 0 else [])]


def after(chapter: Chapter) -> Iterator[Section]:
    """Yield what would refute the conclusion, and every other explanation with what stands against it."""
    incident = chapter.incident
    own = [told for told in chapter.hypotheses if told.name == incident.summary]
    others = [told for told in chapter.hypotheses if told.name != incident.summary]
    if incident.cause == "none" or not (others or incident.confidence != "high"):
        return
    yield "Wrong if", [told.refuted_by for told in own if told.refuted_by]
    standing = [told for told in others if told.verdict in _STANDING]
    yield "Or else", [_standing(told) for told in standing[:MAX_OTHERS]]
    fallen = [told for told in others if told.verdict not in _STANDING]
    yield "Not", [_fallen(told) for told in fallen[:MAX_OTHERS]]


def _standing(told: Hypothesis) -> str:
    why = f" {told.pro[0].rstrip('.')}." if told.pro else ""
    return f"{told.verdict}: {told.name}.{why} Refuted by: {_small(told.refuted_by)}"


def _fallen(told: Hypothesis) -> str:
    # What refutes comes last: before it stands what merely is not known.
    why = told.con[-1 if told.verdict == "refuted" else 0] if told.con else ""
    return f"{told.verdict}: {told.name}. {why}".rstrip()


def _small(text: str) -> str:
    """Return a sentence as it stands after a colon; what begins with a name of something keeps it."""
    return text[:1].lower() + text[1:] if text[:2] in ("A ", "An") or text[1:2].islower() else text


def _cited(chapter: Chapter, source: str, line: int | None) -> bool:
    return any((item.source, item.line) == (source, line) for item in chapter.incident.evidence)


def _clock(at: float) -> str:
    return rfc3339(at)[11:19]
