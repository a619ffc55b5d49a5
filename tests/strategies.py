"""Hypothesis strategies for values that cross bootcheck: what users pass, checkpoints, findings, reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from hypothesis import strategies as st

from bootcheck.model.cause import Cause
from bootcheck.model.checkpoint import Checkpoint, Outcome, Phase
from bootcheck.model.codes import CODES
from bootcheck.model.encode import plain
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.model.journal import ROLES
from bootcheck.model.report import Report, Verdict


class Rude:
    """An object whose every text raises."""

    def __repr__(self) -> str:
        raise RuntimeError

    __str__ = __repr__


class RudeText(str):
    """A str that is none."""

    __slots__ = ()

    def __str__(self) -> NoReturn:
        raise ValueError

    def __getitem__(self, key: Any) -> NoReturn:
        raise IndexError(key)


class Wide:
    """An object with a text of many megabytes."""

    def __repr__(self) -> str:
        return "w" * 300_000


class Deceiver:
    """A dict-like thing whose iteration raises."""

    def __iter__(self) -> Iterator[Any]:
        raise LookupError

    def __len__(self) -> int:
        return -1  # noqa: PLE0303 - that is the deceit


def recursive() -> list[Any]:
    """Return a list that holds itself, and a dict that holds it."""
    inner: list[Any] = [1]
    inner.append({"again": inner})
    return inner


def deep() -> list[Any]:
    """Return a list nested deeper than the interpreter can show."""
    nest: list[Any] = []
    for _ in range(20_000):
        nest = [nest]
    return nest


texts = st.text(st.characters(codec=None), max_size=40)
"""Any text, lone surrogates and control characters included."""
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), texts, st.binary(max_size=40), st.complex_numbers()
)
_MAKERS: dict[str, Callable[[], object]] = {
    "a raising repr": Rude,
    "a str that raises": lambda: RudeText("x"),
    "a very long repr": Wide,
    "a raising iteration": Deceiver,
    "a class": lambda: object,
    "an integer too long to print": lambda: 10**5000,
    "many bytes": lambda: b"\xff" * 9000,
    "a lone surrogate": lambda: "\ud800",
    "a long text": lambda: "x" * 50_000,
    "infinity": lambda: 1e999,
    "itself": recursive,
}
# Made when drawn: Hypothesis shows what it samples from.
oddities = st.sampled_from(sorted(_MAKERS)).map(lambda name: _MAKERS[name]())
values = st.recursive(
    st.one_of(scalars, oddities),
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.dictionaries(st.one_of(texts, st.integers(), st.binary(max_size=9)), inner, max_size=6),
        st.tuples(inner, inner),
    ),
    max_leaves=12,
)
"""Whatever a user may pass as a detail."""
details = st.dictionaries(texts, values, max_size=6)

plain_details = st.dictionaries(texts, scalars, max_size=4).map(plain)
"""As a checkpoint holds them."""
moments = st.floats(0, 4_000_000_000, allow_nan=False).map(lambda at: round(at, 6))

checkpoints = st.builds(
    Checkpoint,
    seq=st.integers(1, 10**6),
    name=texts,
    phase=st.sampled_from(list(Phase.known.values())),
    outcome=st.sampled_from(list(Outcome.known.values())),
    at=moments,
    of=st.none() | st.integers(1, 10**6),
    duration_ms=st.none() | st.floats(0, 1e9, allow_nan=False),
    rss_bytes=st.none() | st.integers(0, 2**50),
    detail=plain_details,
)

evidence = st.builds(Evidence, text=texts, source=texts, line=st.none() | st.integers(0, 10**6))
_lines = st.lists(texts, max_size=4).map(tuple)
_confidence = st.sampled_from(["low", "medium", "high"])

findings = st.builds(
    Finding,
    code=st.sampled_from(sorted(CODES)),
    summary=texts,
    action=_lines,
    evidence=st.lists(evidence, max_size=3).map(tuple),
    against=_lines,
    missing=_lines,
    severity=st.sampled_from(Severity),
    confirm=st.none() | texts,
    confidence=_confidence,
    declared=st.booleans(),
    step=st.none() | texts,
)

verdicts = st.builds(
    Verdict,
    cause=st.sampled_from(Cause),
    summary=st.text(max_size=4000),
    code=st.none() | st.sampled_from(sorted(CODES)),
    action=st.lists(st.text(max_size=900), max_size=9).map(tuple),
    confirm=st.none() | texts,
    confidence=_confidence,
    evidence=st.lists(evidence, max_size=3).map(tuple),
    against=_lines,
    missing=_lines,
)

frames = st.fixed_dictionaries(
    {"function": texts, "file": texts, "line": st.none() | st.integers(0, 10**6)},
)
stacks = st.fixed_dictionaries({"thread": texts, "frames": st.lists(frames, max_size=4)})


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """Return any report that the live half may make."""
    pid = draw(st.integers(0, 2**22))
    announced = {
        "process.pid": pid,
        "host.name": draw(texts),
        "exception.type": draw(texts),
        "exception.message": draw(st.text(max_size=3000)),
        "bootcheck.exit.signal.name": draw(texts),
        "process.exit.code": draw(st.integers(0, 255)),
        "bootcheck.ready": draw(st.booleans()),
    }
    return Report(
        kind=draw(st.sampled_from(["crash", "boot", "snapshot"])),
        role=draw(st.sampled_from(ROLES)),
        pid=pid,
        at=draw(moments),
        verdict=draw(verdicts),
        step=draw(st.none() | st.text(max_size=300)),
        incomplete=draw(st.booleans()),
        findings=tuple(draw(st.lists(findings, max_size=8))),
        guards=({"name": "fresh_pools"},),
        checkpoints=tuple(draw(st.lists(checkpoints, max_size=3))),
        stacks=tuple(draw(st.lists(stacks, max_size=2))),
        attributes=announced,
        annotations=draw(plain_details),
        hidden_count=draw(st.integers(0, 999)),
    )
