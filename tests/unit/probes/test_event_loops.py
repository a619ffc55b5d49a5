"""Event loops that are open, and who holds them."""

from __future__ import annotations

import asyncio
import sys
import types

from bootcheck.marks import fork_safe
from bootcheck.probes import event_loops, heap


def seen() -> list[dict[str, object]]:
    """Return the open loops of this process."""
    kind = event_loops.kind()
    assert kind is not None
    return event_loops.still_open(heap.of_kinds({"loops": kind})[0]["loops"])


def test_open_loops_are_found_with_their_holder_and_closed_ones_are_not(monkeypatch):
    """In a module's global; a marked one is meant."""
    module = types.ModuleType("shop.jobs")
    monkeypatch.setitem(sys.modules, "shop.jobs", module)
    before = len(seen())
    module.LOOP, module.MARKED, module.CLOSED = (asyncio.new_event_loop() for _ in range(3))
    fork_safe(module.MARKED)
    module.CLOSED.close()
    try:
        found = [loop for loop in seen() if loop["holder"] == "shop.jobs.LOOP"]
        assert len(seen()) == before + 1
    finally:
        module.LOOP.close()
        module.MARKED.close()

    assert found[0]["thread"] is None
    assert "EventLoop" in str(found[0]["type"])


def test_the_loop_that_asyncio_keeps_has_a_holder_too():
    """`asyncio.get_event_loop()` in a module leaves it with the policy."""
    from tests.unit.children import interpreter

    done = interpreter(
        "import asyncio\n"
        "asyncio.set_event_loop(asyncio.new_event_loop())\n"
        "from bootcheck.probes import event_loops, heap\n"
        "print(event_loops.still_open(heap.of_kinds({'loops': event_loops.kind()})[0]['loops']))"
    )

    assert event_loops.POLICY in done.stdout, done.stderr


def test_a_running_loop_names_its_thread():
    """It is the one that another thread, or this one, runs."""
    import threading

    async def look() -> list[dict[str, object]]:
        return seen()

    assert threading.get_ident() in [loop["thread"] for loop in asyncio.run(look())]


def test_a_loop_of_unknown_make_is_left_alone():
    """Nothing is called that might be somebody's code."""

    class Strange(asyncio.AbstractEventLoop):
        def is_closed(self) -> bool:
            raise AssertionError

    assert event_loops.still_open([Strange()]) == []
