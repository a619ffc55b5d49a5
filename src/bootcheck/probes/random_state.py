"""Sources of random numbers whose state a fork copies: all workers go on from the same place.

Python's own `random` module is none of them: it seeds itself anew after each fork.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from bootcheck.marks import is_marked
from bootcheck.probes.held_locks import holder
from bootcheck.probes.objects import attributes, class_of, names_of, type_name

_FRESH = (623, 624)
"""Places in the state of numpy's global generator before its first number, from a SeedSequence and from `seed()`."""


def kinds() -> dict[str, type]:
    """Return the classes of generators that are loaded."""
    found = {
        "generator": class_of("numpy.random._generator", "Generator"),
        "random_state": class_of("numpy.random.mtrand", "RandomState"),
        "random": class_of("random", "Random"),
    }
    return {name: kind for name, kind in found.items() if kind is not None}


def shared(things: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Return {name, type, used, thing} of each source: `used` says why it is believed to be drawn from."""
    numpy, standard = _numpy_global(), _standard_global()
    system = class_of("random", "SystemRandom")
    found = [] if numpy is None or is_marked(numpy) else [_of_numpy_global(numpy)]
    others = [
        thing
        for name in ("generator", "random_state", "random")
        for thing in things.get(name, ())
        if thing is not numpy
        and thing is not standard
        and not is_marked(thing)
        and not (system is not None and issubclass(type(thing), system))
    ]
    names = names_of(others)
    for thing in others:
        # One that no module holds is a library's own: for the names of its files, for its pauses.
        if id(thing) in names:
            kind = type_name(thing)
            used = "the app keeps it" if kind.startswith("numpy.") else None
            found.append({"name": names[id(thing)], "type": kind, "used": used, "thing": thing})
    return found


def _numpy_global() -> Any:
    return (attributes(sys.modules.get("numpy.random.mtrand")) or {}).get("_rand")


def _standard_global() -> Any:
    return (attributes(sys.modules.get("random")) or {}).get("_inst")


def _of_numpy_global(state: Any) -> dict[str, Any]:
    bits = state._bit_generator  # noqa: SLF001 - numpy gives no other way that copies nothing
    used = None
    if holder(bits.lock) not in (0, threading.get_ident()):
        used = "another thread draws from it"
    else:
        told = bits.state
        if type(bits).__name__ == "MT19937" and told["state"]["pos"] not in _FRESH:
            used = "numbers were drawn from it before the fork"
        elif getattr(bits, "_seed_seq", True) is None:
            used = "the app seeded it"
    return {"name": "numpy.random", "type": "numpy.random.RandomState", "used": used, "thing": state}
