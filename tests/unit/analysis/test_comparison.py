"""Two sides: what got slower, what is new, what changed."""

from __future__ import annotations

from bootcheck.analysis.comparison import Side, compare
from bootcheck.analysis.incidents import Analysis, Incident
from bootcheck.analysis.spans import Span, Step
from bootcheck.model.finding import Finding


def boot(took: float, *, size: int = 50 << 20, release: str = "1", **more: object) -> Span:
    """Return a boot whose step db.init took this many milliseconds."""
    steps = (Step(name="db.init", duration_ms=took, outcome="passed"),)
    return Span(
        role="worker",
        pid=1,
        source="x",
        steps=steps,
        memory=((0.0, size >> 1), (1.0, size)),
        settings={"tag release": release},
        **more,
    )


def incident(identity: str) -> Incident:
    """Return an incident with this id."""
    return Incident(id=identity, code="BC501", cause="exception", cause_class="app-exception", summary=f"of {identity}")


def test_the_same_is_not_worse():
    """Noise is no difference."""
    found = compare(Side(spans=[boot(1000)]), Side(spans=[boot(1040)]))

    assert not found.worse
    assert found.steps == ()
    assert found.boots == (1, 1)


def test_a_slower_step_is_worse_and_a_faster_one_is_not():
    """By the median of each side's boots."""
    slow = compare(Side(spans=[boot(1000)]), Side(spans=[boot(900), boot(2000), boot(2100)]))
    fast = compare(Side(spans=[boot(2000)]), Side(spans=[boot(1000)]))

    assert [(item.name, item.before, item.after) for item in slow.steps] == [("db.init", 1000, 2000)]
    assert slow.worse
    assert fast.steps
    assert not fast.worse


def test_memory_imports_and_settings():
    """Megabytes, modules, and every value that is another one."""
    before = boot(10, imports={"torch": 100.0})
    after = boot(10, size=120 << 20, release="2", imports={"torch": 900.0})
    found = compare(Side(spans=[before]), Side(spans=[after]))

    assert [item.name for item in found.memory] == ["worker at the end of its boot"]
    assert [item.name for item in found.imports] == ["torch"]
    assert found.settings == (("tag release", "1", "2"),)


def test_findings_and_incidents_that_are_new_gone_and_still_there():
    """New ones are worse; gone ones are not."""
    finding = Finding(code="BC101", summary="password=hunter2hunter2 is not set")
    before = Side(spans=[boot(1, findings=(finding,))], analysis=Analysis(incidents=(incident("a"), incident("b"))))
    after = Side(spans=[boot(1)], analysis=Analysis(incidents=(incident("b"), incident("c"))))
    found = compare(before, after)

    assert len(found.findings_gone) == 1
    assert "hunter2" not in found.findings_gone[0]
    assert found.incidents_new == (("c", "of c"),)
    assert found.incidents_gone == (("a", "of a"),)
    assert found.incidents_still == (("b", "of b"),)
    assert found.worse


def test_one_side_without_boots_compares_no_steps():
    """Everything would be new."""
    assert compare(Side(spans=[]), Side(spans=[boot(9000)])).steps == ()
