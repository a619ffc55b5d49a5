"""What a worker notes for its master in the memory they share (`bootcheck.probes.black_box`).

Each method is one line in `worker.py`; none of them may fail the worker.
"""

from __future__ import annotations

import os
import time
from typing import Any

from bootcheck.gunicorn import seams
from bootcheck.model import journal
from bootcheck.probes import black_box
from bootcheck.probes.imports import ImportTimes
from bootcheck.probes.log_lines import LogLines
from bootcheck.probes.requests import Requests
from bootcheck.recorder import Recorder, current


class Witness:
    """The writing half of the shared memory."""

    def __init__(self, memory: Any = None) -> None:
        """Write into this memory; into some of its own where the system gave none."""
        memory = bytearray(black_box.SIZE) if memory is None else memory
        self._memory = memory
        self._requests = Requests(memory, black_box.REQUESTS)
        self._lines = LogLines(memory, black_box.LOG_LINES)
        self._imports = ImportTimes(memory, black_box.IMPORTS)

    def begin(self) -> None:
        """Watch log records and imports from the fork on."""
        self._lines.hide = _hide_late
        self._lines.begin()
        self._imports.begin()

    def watch(self, worker: Any) -> None:
        """Watch the requests of a worker whose class calls a method for each, or holds an ASGI app."""
        if seams.on_request(worker, self._requests.around_handler, self._requests.around_app):
            self._requests.watched()

    def around_app(self, app: Any) -> Any:
        """Watch the requests of a server that is given the app later (uvicorn); None stays None."""
        if app is None:
            return None
        self._requests.watched()
        return self._requests.around_app(app)

    def in_flight(self) -> list[dict[str, Any]]:
        """Return the requests that this process serves now."""
        from bootcheck.model.route import requests_shown
        from bootcheck.probes import requests

        found, _ = requests.read(self._memory, black_box.REQUESTS, time.monotonic())
        return requests_shown(found, current().redactor.mask)

    def freeze(self) -> None:
        """The process is being ended: what unwinds from here on is not over, but dying."""
        self._requests.freeze()
        self._imports.freeze()

    def died_of(self, exc: BaseException) -> None:
        """An exception ends the process: the requests and imports that it left were not finished."""
        self._requests.died_of(exc)
        self._imports.died_of(exc)

    def ready(self, recorder: Recorder) -> None:
        """Leave the imports alone, journal the slowest of them, and keep only bad news of the log."""
        self._lines.ready()
        tell_imports(self._imports, recorder)


def _hide_late(text: str) -> str:
    redactor = current().redactor
    redactor.catch_up(os.environ)
    return redactor.hide_late(text)


class TimedImports:
    """Times the imports of a block; for the app's import in the master."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._imports = ImportTimes()

    def __enter__(self) -> None:
        self._imports.begin()

    def __exit__(self, *_: object) -> None:
        tell_imports(self._imports, self._recorder)


def tell_imports(imports: ImportTimes, recorder: Recorder) -> None:
    """End the timing and journal what was slow, where anything was."""
    imports.end()
    slowest = imports.slowest()
    if slowest:
        recorder.fact(journal.IMPORTS, imports=slowest)
