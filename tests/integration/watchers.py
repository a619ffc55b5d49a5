"""A `bootcheck watch` or `bootcheck monitor` that runs beside servers, and what it has said so far."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Any

from tests.integration.harness import PATIENCE, SOURCE, as_from_a_terminal, wait_until


class Watcher:
    """The command, its output in files, so that nothing blocks."""

    def __init__(self, out: IO[str], err: IO[str], *words: str) -> None:
        self._out, self._err = out, err
        environ = {name: value for name, value in os.environ.items() if not name.startswith("BOOTCHECK_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bootcheck", *words, "--every", "0.1"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**environ, "PYTHONPATH": str(SOURCE)},
            preexec_fn=as_from_a_terminal,  # noqa: PLW1509 - no thread here
        )

    @property
    def out(self) -> str:
        """All of stdout so far."""
        return _read(self._out)

    @property
    def err(self) -> str:
        """All of stderr so far."""
        return _read(self._err)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the objects of one kind that were printed so far."""
        whole = self.out.rpartition("\n")[0]
        return [told for line in whole.splitlines() if (told := json.loads(line))["event"] == kind]

    def until(self, condition: Callable[[], Any]) -> Any:
        """Return the condition's first true value."""
        return wait_until(condition, lambda: f"news; so far:\n{self.out}\n{self.err}")

    def end(self, signo: int | None = signal.SIGINT) -> int:
        """End it as a user does, or wait for its own end; return its exit code."""
        if signo is not None:
            self.process.send_signal(signo)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def watching(*words: object) -> Iterator[Watcher]:
    """Run the command, and return once it looks; ended at the end, whatever happens."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        watcher = Watcher(out, err, *map(str, words))
        try:
            watcher.until(lambda: "Ctrl-C ends it" in watcher.err or watcher.process.poll() is not None)
            yield watcher
        finally:
            if watcher.process.poll() is None:
                watcher.process.kill()
                watcher.process.wait(PATIENCE)


def _read(file: IO[str]) -> str:
    # The process writes at the end of the same open file: its place must stay.
    return os.pread(file.fileno(), 1 << 24, 0).decode()
