"""Random numbers of its own for each worker: numpy's global generator and those that modules keep.

By choice only (`bootcheck.arm(globals(), reseed=True)`): the app may have fixed its seed on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bootcheck.model import journal
from bootcheck.recorder import Recorder


def in_child(sources: Iterable[Mapping[str, Any]], recorder: Recorder) -> None:
    """Seed each source from the operating system, and record it. Never raises."""
    for source in sources:
        done = {"name": "reseed", "action": "seeded", "source": source["name"]}
        try:
            _seed(source["thing"])
        except Exception as exc:  # noqa: BLE001 - a generator of the app's own making
            done |= {"action": "failed", "reason": type(exc).__name__}
        recorder.fact(journal.GUARD, **done)


def _seed(thing: Any) -> None:
    bits = getattr(thing, "bit_generator", None)
    if bits is None:
        # `random.Random` and numpy's RandomState: without an argument from the operating system.
        thing.seed()
    else:
        bits.state = type(bits)().state
