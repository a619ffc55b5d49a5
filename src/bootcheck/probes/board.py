"""The board: where each process of a server shows what it is at, for every other one to read.

Anonymous memory that the master makes before its first fork: a part of its own, and a place for each
worker. Each part has one writer, and a reader that comes in the middle of a write looks again. No
file, no lock. Loaded only where somebody asks: endpoints in the app, or the side port.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from bootcheck.model import journal
from bootcheck.probes import black_box

STARTING, RUNNING, STOPPING = range(1, 4)
"""Phases of a master."""
BOOTING, READY, LEAVING = range(1, 4)
"""Phases of a worker."""
MAX_STEP = 120

_SEQ = struct.Struct("=I")
"""Before each part: odd while it is written."""
_MASTER = struct.Struct(f"=IBBBIIddddddd{MAX_STEP}s")
_WORKER = struct.Struct(f"=IBIddd{MAX_STEP}s")
_FROM_MASTER = struct.Struct("dd?")
"""What the master writes of a worker: its last beat, when that was seen, whether it was told to stop."""
_AT = 16
"""Byte 0 says that the board is in use."""
_PLACE = 256
_FIRST = 512
_BEATS = 192
PLACES = (black_box.BOARD - _FIRST) // _PLACE


class Master(NamedTuple):
    """What the master shows of itself; times are monotonic, 0 where there was no such moment."""

    pid: int = 0
    phase: int = STARTING
    started: bool = False
    """A worker has been ready since this master began."""
    reloading: bool = False
    workers: int = 0
    successor: int = 0
    """The master of a new image, while an upgrade goes on."""
    turned: float = 0.0
    """When its loop was last seen to turn."""
    since: float = 0.0
    """When its phase began."""
    timeout: float = 0.0
    grace: float = 0.0
    deadline: float = 0.0
    took: float = 0.0
    """Seconds of the last boot that became ready."""
    step_since: float = 0.0
    step: str = ""


class Worker(NamedTuple):
    """What is shown of a worker."""

    pid: int = 0
    phase: int = BOOTING
    workers: int = 0
    """How many workers the server was to have when this one was forked."""
    born: float = 0.0
    ready_at: float = 0.0
    step_since: float = 0.0
    step: str = ""
    beat: float = 0.0
    """Its last sign of life, 0 before the first."""
    seen: float = 0.0
    """When the master looked for that."""
    told: bool = False
    """Its master has told it to stop."""


class Board:
    """One server's board, as any of its processes sees it."""

    def __init__(self, memory: Any) -> None:
        self.memory = memory
        memory[0] = 1
        self.leaving: Callable[[], bool] = bool
        """Tells whether the server of this process has begun to stop it."""
        self.usual: Callable[[str], float | None] = lambda role: None  # noqa: ARG005
        """Returns the seconds that the boot of a worker, or of a master, takes, by past boots."""

    def master(self) -> Master:
        """Return what the master shows."""
        values = list(_read(self.memory, _AT, _MASTER))
        values[2], values[3], values[-1] = bool(values[2]), bool(values[3]), _text(values[-1])
        return Master(*values)

    def workers(self) -> list[Worker]:
        """Return what living workers show, the oldest first."""
        found = [self._worker(at) for at in self._places() if alive(_pid_at(self.memory, at))]
        return sorted((worker for worker in found if worker.pid), key=lambda worker: worker.born)

    def _worker(self, at: int) -> Worker:
        values = list(_read(self.memory, at, _WORKER))
        values[-1] = _text(values[-1])
        return Worker(*values, *_FROM_MASTER.unpack_from(self.memory, at + _BEATS))

    def _places(self) -> Iterator[int]:
        """Yield where places are that somebody has taken."""
        for place in range(PLACES):
            at = _FIRST + place * _PLACE
            if _pid_at(self.memory, at):
                yield at

    # -- what the master notes of its workers ------------------------------------------------------

    def beats(self, of: Mapping[int, float], now: float) -> None:
        """Note the last sign of life of each worker, and free the places of those that are gone."""
        for at in list(self._places()):
            pid = _pid_at(self.memory, at)
            if pid in of:
                told = _FROM_MASTER.unpack_from(self.memory, at + _BEATS)[2]
                _FROM_MASTER.pack_into(self.memory, at + _BEATS, of[pid], now, told)
            elif not alive(pid):
                _WORKER.pack_into(self.memory, at + 8, 0, 0, 0, 0.0, 0.0, 0.0, b"")

    def told(self, pid: int) -> None:
        """Note that the master has told a worker to stop."""
        for at in self._places():
            if _pid_at(self.memory, at) == pid:
                beat, seen, _ = _FROM_MASTER.unpack_from(self.memory, at + _BEATS)
                _FROM_MASTER.pack_into(self.memory, at + _BEATS, beat, seen, True)

    def take(self, number: int) -> int | None:
        """Return a free place for the worker with this number, cleared; None where all are taken."""
        for offset in range(PLACES):
            at = _FIRST + (number + offset) % PLACES * _PLACE
            pid = _pid_at(self.memory, at)
            if pid in (0, os.getpid()) or not alive(pid):
                _FROM_MASTER.pack_into(self.memory, at + _BEATS, 0.0, 0.0, False)
                return at
        return None


class Steps:
    """A sink's half of the board: the steps that are open in this process, from its checkpoints."""

    def __init__(self) -> None:
        self.open: list[tuple[int, str, float]] = []

    def take(self, record: Mapping[str, Any]) -> bool:
        """Take a checkpoint; tell whether the open steps are others now."""
        if record["outcome"] == "entered":
            self.open.append((record["seq"], str(record["name"]), when(record)))
            return True
        number = record.get("of")
        before = len(self.open)
        self.open = [step for step in self.open if step[0] != number]
        return len(self.open) != before

    @property
    def innermost(self) -> tuple[float, bytes]:
        """Since when, and which."""
        if not self.open:
            return 0.0, b""
        _, name, since = self.open[-1]
        return since, _cut(name)


class WorkerMark:
    """A sink that shows this worker's phase and step on the board."""

    def __init__(self, board: Board, number: int, workers: int) -> None:
        self._board = board
        self._number = number
        self._workers = workers
        self._pid = os.getpid()
        self._at: int | None = None
        self._phase = BOOTING
        self._born = time.monotonic()
        self._ready_at = 0.0
        self._steps = Steps()

    def write(self, record: Mapping[str, Any], line: bytes) -> None:  # noqa: ARG002 - a sink's signature
        """Show what a record changes."""
        kind = record["t"]
        if kind == journal.CHECKPOINT:
            # Once it serves, steps are those of requests: nobody waits for them.
            if self._phase != BOOTING or not self._steps.take(record):
                return
        elif kind == journal.HEAD:
            self._born = when(record)
        elif kind == journal.READY:
            self._phase, self._ready_at = READY, when(record)
        elif kind in (journal.SIGNAL, journal.END):
            self._phase = LEAVING
        else:
            return
        self.show()

    def show(self) -> None:
        """Write the place of this process; what it forks shows nothing."""
        if self._pid != os.getpid():
            return
        memory = self._board.memory
        if self._at is None or _pid_at(memory, self._at) not in (0, self._pid):
            self._at = self._board.take(self._number)
        if self._at is not None:
            since, step = self._steps.innermost if self._phase == BOOTING else (0.0, b"")
            values = (self._pid, self._phase, self._workers, self._born, self._ready_at, since, step)
            _write(memory, self._at, _WORKER, values)


class MasterMark:
    """A sink that shows the master's phase and step on the board; the rest it is told."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._pid = os.getpid()
        self._steps = Steps()
        self._shown = Master(pid=self._pid, since=time.monotonic())

    @property
    def shown(self) -> Master:
        """What it shows now."""
        return self._shown

    def write(self, record: Mapping[str, Any], line: bytes) -> None:  # noqa: ARG002 - a sink's signature
        """Show the step that a record opens or closes."""
        if record["t"] == journal.CHECKPOINT and self._steps.take(record):
            self.show()

    def show(self, **changes: Any) -> None:
        """Show these values from now on."""
        if self._pid != os.getpid():
            return
        self._shown = self._shown._replace(**changes)
        since, step = self._steps.innermost if self._shown.phase == STARTING else (0.0, b"")
        _write(self._board.memory, _AT, _MASTER, (*self._shown[:-2], since, step))


def here() -> Board | None:
    """Return the board of the server that this process is of, None where no armed Gunicorn runs it."""
    use = black_box.on_use
    board = None if use is None else use()
    return board if isinstance(board, Board) else None


def alive(pid: int) -> bool:
    """Tell whether there is a process with this pid, whoever it belongs to."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def when(record: Mapping[str, Any]) -> float:
    """Return the monotonic time of a record: the wall clock may be set while somebody waits."""
    at = record.get("at")
    ago = time.time() - at if isinstance(at, (int, float)) else 0.0
    return time.monotonic() - max(0.0, ago)


def _pid_at(memory: Any, at: int) -> int:
    return int(_SEQ.unpack_from(memory, at + 8)[0])


def _write(memory: Any, at: int, layout: struct.Struct, values: tuple[Any, ...]) -> None:
    number = _SEQ.unpack_from(memory, at)[0] | 1
    _SEQ.pack_into(memory, at, number)
    layout.pack_into(memory, at + 8, *values)
    _SEQ.pack_into(memory, at, (number + 1) & 0xFFFFFFFF)


def _read(memory: Any, at: int, layout: struct.Struct) -> tuple[Any, ...]:
    """Return a part as it was between two writes; of a writer that died in the middle, what there is."""
    for _ in range(200):
        before = _SEQ.unpack_from(memory, at)
        values = layout.unpack_from(memory, at + 8)
        if not before[0] & 1 and _SEQ.unpack_from(memory, at) == before:
            break
    return values


def _cut(name: str) -> bytes:
    return name.encode("utf-8", "replace")[:MAX_STEP]


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("utf-8", "ignore")
