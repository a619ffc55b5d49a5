"""Ways to fail at boot, chosen by `EXAMPLE_BREAK`: for the tutorial, and for tests of your alerts."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable


def raise_in_import() -> None:
    """Raise while the app is imported."""
    msg = "the example was asked to fail in its import (EXAMPLE_BREAK=import)"
    raise RuntimeError(msg)


def exit_quietly() -> None:
    """Call sys.exit: Gunicorn starts the worker again, for ever, and says nothing."""
    sys.exit(1)


def vanish() -> None:
    """End the process without an exception; not even atexit runs."""
    os._exit(7)


def crash() -> None:
    """Read from address 0 in native code."""
    ctypes.string_at(0)


def hang() -> None:
    """Wait for something that never comes."""
    print("example: waiting for something that never comes (EXAMPLE_BREAK=hang)", file=sys.stderr, flush=True)
    time.sleep(3600)


def load_slowly() -> None:
    """Take five seconds, like a model that is loaded from a slow disk."""
    time.sleep(5)


def nothing() -> None:
    """Break nothing here: `model` and `init` break in models.py and database.py."""


WAYS: dict[str, Callable[[], None]] = {
    "": nothing,
    "import": raise_in_import,
    "exit": exit_quietly,
    "os-exit": vanish,
    "segfault": crash,
    "hang": hang,
    "slow": load_slowly,
    "model": nothing,
    "init": nothing,
}


def break_on_purpose() -> None:
    """Do what `EXAMPLE_BREAK` asks for."""
    way = os.environ.get("EXAMPLE_BREAK", "")
    if way not in WAYS:
        msg = f"EXAMPLE_BREAK={way!r} is unknown. Known: {', '.join(name for name in WAYS if name)}."
        raise SystemExit(msg)
    WAYS[way]()
