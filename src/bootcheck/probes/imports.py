"""What an app's import takes, module by module, and which modules are being imported at this moment.

The time is taken around `exec_module` (and, of extension modules, `create_module`) of the standard
loaders' classes, until the process is ready. No finder is added and no loader replaced: whoever asks
a module for its loader, its source or its resources meets what was there before. Modules of other
loaders (zip files, lazy loaders of one's own) count as part of the module that imports them.
"""

from __future__ import annotations

import os
import struct
import time
from _thread import get_ident
from collections.abc import Callable
from importlib import machinery
from types import CodeType
from typing import Any

KEPT = 10
LEVELS = 16
_TOP = struct.Struct("<dd100s")
"""Seconds of its own, seconds with what it imports, name."""
_LEVEL = struct.Struct("<Bd100s")
"""Whether it is being imported, since when (monotonic), name."""
SIZE = KEPT * _TOP.size + LEVELS * _LEVEL.size
LEAST = 0.001
"""Seconds below which a module is not worth its line."""
_IMPORTLIB = "<frozen importlib._bootstrap_external>"
_WENT_UP = "__bootcheck_importing__"
Memory = Any


class ImportTimes:
    """Takes the times from `begin` to `end`."""

    def __init__(self, memory: Memory = None, base: int = 0) -> None:
        """Use `SIZE` bytes of the memory from `base` on, or memory of its own."""
        self._memory = bytearray(SIZE) if memory is None else memory
        self._base = base
        self._levels = base + KEPT * _TOP.size
        self._top: list[tuple[float, int]] = []
        self._open: dict[int, list[list[Any]]] = {}
        """By thread: what it is importing, outermost first."""
        self._depth = 0
        self._frozen = False
        self._undo: list[Callable[[], None]] = []
        self._owner = os.getpid()

    def begin(self) -> None:
        """Time what the standard loaders execute from now on."""
        extension = machinery.ExtensionFileLoader
        self._around(machinery.SourceFileLoader, "exec_module")
        self._around(machinery.SourcelessFileLoader, "exec_module")
        self._around(extension, "exec_module")
        self._around(extension, "create_module")

    def freeze(self) -> None:
        """Keep the chain of modules as it stands: from here on they are left because the process dies."""
        self._frozen = True

    def died_of(self, exc: BaseException) -> None:
        """Write the chain that this exception went up, where it came out of an import."""
        for link in (exc, exc.__cause__, exc.__context__):
            chain = getattr(link, _WENT_UP, None)
            if isinstance(chain, tuple) and not self._frozen:
                for level, entry in enumerate(chain[-LEVELS:]):
                    start = self._levels + level * _LEVEL.size
                    self._memory[start : start + _LEVEL.size] = entry
                self._frozen = True

    def end(self) -> None:
        """Leave the loaders as they were."""
        for undo in self._undo:
            undo()
        self._undo.clear()

    def _around(self, loader: Any, name: str) -> None:
        original = getattr(loader, name)
        own = name in vars(loader)
        enter, leave, failed = self._enter, self._leave, self._failed

        def exec_module(self: Any, module: Any) -> Any:
            mine = enter(module)
            try:
                return original(self, module)
            except BaseException as exc:
                failed(exc)
                raise
            finally:
                leave(mine)

        # Python leaves frames of importlib out of a traceback, and with this name also ours between them.
        exec_module.__code__ = _renamed(exec_module.__code__)
        setattr(loader, name, exec_module)

        def undo() -> None:
            if vars(loader).get(name) is not exec_module:
                return
            if own:
                setattr(loader, name, original)
            else:
                delattr(loader, name)

        self._undo.append(undo)

    def _enter(self, module: Any) -> list[Any]:
        """Note that a module (or its spec) begins: [begin, seconds of its imports, place, name, what stood there]."""
        spec = getattr(module, "__spec__", module)
        name = str(getattr(spec, "name", "?")).encode("utf-8", "replace")
        place = self._levels + self._depth % LEVELS * _LEVEL.size
        self._depth += 1
        before = bytes(self._memory[place : place + _LEVEL.size])
        mine: list[Any] = [time.perf_counter(), 0.0, place, name, before]
        self._open.setdefault(get_ident(), []).append(mine)
        if os.getpid() == self._owner:
            _LEVEL.pack_into(self._memory, place, 1, time.monotonic(), name)
        return mine

    def _failed(self, exc: BaseException) -> None:
        """Let an exception carry the chain of its innermost module: most are caught, one may end the process."""
        try:
            if not hasattr(exc, _WENT_UP):
                now, monotonic = time.perf_counter(), time.monotonic()
                chain = [(monotonic - now + began, name) for began, _, _, name, _ in self._open.get(get_ident(), ())]
                setattr(exc, _WENT_UP, tuple(_LEVEL.pack(1, since, name) for since, name in chain))
        except Exception:  # noqa: BLE001 - an exception class may refuse attributes
            return

    def _leave(self, mine: list[Any]) -> None:
        began, children, place, name, before = mine
        took = time.perf_counter() - began
        self._depth -= 1
        thread = self._open.get(get_ident(), [])
        # In greenlets of one thread imports need not end in the order in which they began.
        thread[:] = [other for other in thread if other is not mine]
        if thread:
            thread[-1][1] += took
        if self._frozen or os.getpid() != self._owner:
            return
        self._memory[place : place + _LEVEL.size] = before
        if took - children >= LEAST:
            self._keep(max(0.0, took - children), took, name)

    def _keep(self, own: float, whole: float, name: bytes) -> None:
        if len(self._top) < KEPT:
            slot = len(self._top)
        else:
            least = min(self._top)
            if least[0] >= own:
                return
            self._top.remove(least)
            slot = least[1]
        self._top.append((own, slot))
        _TOP.pack_into(self._memory, self._base + slot * _TOP.size, own, whole, name)

    def slowest(self) -> list[dict[str, Any]]:
        """Return the slowest modules so far, for the journal."""
        return read(self._memory, self._base, 0.0)[0]


def _renamed(code: CodeType) -> CodeType:
    return code.replace(co_filename=_IMPORTLIB)


def read(memory: Memory, base: int, now: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the slowest modules, slowest first, and those that were being imported, outermost first."""
    top: list[dict[str, Any]] = []
    for slot in range(KEPT):
        own, whole, name = _TOP.unpack_from(memory, base + slot * _TOP.size)
        if own > 0:
            top.append({"module": _name(name), "self_ms": round(own * 1000, 1), "total_ms": round(whole * 1000, 1)})
    top.sort(key=lambda item: -item["self_ms"])
    levels = base + KEPT * _TOP.size
    chain: list[tuple[float, dict[str, Any]]] = []
    for level in range(LEVELS):
        active, since, name = _LEVEL.unpack_from(memory, levels + level * _LEVEL.size)
        if active == 1:
            chain.append((since, {"module": _name(name), "since_s": round(max(0.0, now - since), 3)}))
    chain.sort(key=lambda item: item[0])
    return top, [entry for _, entry in chain]


def _name(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("utf-8", "replace")
