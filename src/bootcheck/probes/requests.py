"""The requests that a process is serving now, in memory that its master can read after the death.

No lock and no system call on the path of a request: a place of the memory is taken from a list, the
text is packed into it, and its first byte is cleared at the end. Four requests have a place each;
those beyond share four more, where the oldest of them gives way to a newer one, and all are counted.
"""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

PLACES = 8
OWN = 4
"""So many requests have a place of their own: a newer one never takes it, so a stuck one stays named."""
MAX_TEXT = 216
_ENTRY = struct.Struct(f"<Bd{MAX_TEXT}s")
"""Whether it runs, the monotonic time of its begin, and `METHOD path`."""
_HEAD = struct.Struct("<IdB")
"""How many run without a place of their own; when the picture was frozen, else 0; whether they are watched."""
_LIVE = _HEAD.size
_ENTRIES = PLACES * _ENTRY.size
_SHARED = _LIVE + OWN * _ENTRY.size
_FROZEN = _LIVE + _ENTRIES
SIZE = _FROZEN + _ENTRIES

_UNWOUND = "__bootcheck_requests__"
Memory = Any
"""A `mmap.mmap` or a `bytearray`."""


class Requests:
    """The writing half, in the worker."""

    def __init__(self, memory: Memory, base: int) -> None:
        """Use `SIZE` bytes of the memory from `base` on."""
        self._memory = memory
        self._base = base
        self._free = [base + _LIVE + place * _ENTRY.size for place in reversed(range(OWN))]
        self._shared = [base + _SHARED + place * _ENTRY.size for place in reversed(range(PLACES - OWN))]
        self._numbers = itertools.count(1)
        self._sharing: dict[int, int] = {}
        """Of the requests beyond those with a place of their own: number to place, oldest first."""
        self._unnamed: set[int] = set()
        """Of those that gave way to a newer one: they run on."""

    def watched(self) -> None:
        """Say that from now on no entry means no request."""
        self._memory[self._base + _HEAD.size - 1] = 1

    def around_handler(self, original: Callable[..., Any], position: int) -> Callable[..., Any]:
        """Wrap a worker's method that serves one request, its argument number `position`."""
        # Everything that each request pays for is a name of this closure: there is nothing faster.
        memory, free, pack, monotonic = self._memory, self._free, _ENTRY.pack_into, time.monotonic
        take, give, share, leave, unwinds = free.pop, free.append, self._share, self._leave, self._unwinds

        def handle_request(*args: Any, **kwargs: Any) -> Any:
            place = 0
            try:
                request = args[position]
                text = f"{request.method} {request.path}".encode("latin-1")
                if free:
                    place = take()
                    pack(memory, place, 1, monotonic(), text)
                else:
                    place = share(text)
            except Exception:  # noqa: BLE001, S110 - a guest never breaks the house
                pass
            try:
                return original(*args, **kwargs)
            except SystemExit as exc:
                unwinds(exc)
                raise
            finally:
                if place > 0:
                    memory[place] = 0
                    give(place)
                elif place:
                    leave(place)

        return handle_request

    def around_app(self, app: Any) -> Any:
        """Return an ASGI app that stands in for another."""
        return WatchedApp(app, self)

    def begin(self, text: bytes) -> int:
        """Note that a request begins; return what `end` is to be given."""
        if not self._free:
            return self._share(text)
        place = self._free.pop()
        _ENTRY.pack_into(self._memory, place, 1, time.monotonic(), text)
        return place

    def end(self, place: int) -> None:
        """Note that it is over."""
        if place > 0:
            self._memory[place] = 0
            self._free.append(place)
        elif place:
            self._leave(place)

    def _share(self, text: bytes) -> int:
        """Put a request that found no place of its own where the newest are."""
        number = next(self._numbers)
        place = self._shared.pop() if self._shared else self._evict()
        self._sharing[number] = place
        _ENTRY.pack_into(self._memory, place, 1, time.monotonic(), text)
        self._count()
        return -number

    def _evict(self) -> int:
        for number in tuple(self._sharing):
            # In this order a request that ends meanwhile in another thread is not left among the unnamed.
            self._unnamed.add(number)
            place = self._sharing.pop(number, None)
            if place is not None:
                return place
            self._unnamed.discard(number)
        raise IndexError

    def _leave(self, place: int) -> None:
        mine = self._sharing.pop(-place, None)
        if mine is None:
            self._unnamed.discard(-place)
        else:
            self._memory[mine] = 0
            self._shared.append(mine)
        self._count()

    def _count(self) -> None:
        struct.pack_into("<I", self._memory, self._base, len(self._sharing) + len(self._unnamed))

    def freeze(self) -> None:
        """Keep the picture of now: what the end of this process unwinds is not finished by that."""
        self._keep(bytes(self._memory[self._base + _LIVE : self._base + _FROZEN]))

    def died_of(self, exc: BaseException) -> None:
        """Keep the picture of the moment at which this exception left a request, where it did."""
        picture = getattr(exc, _UNWOUND, None)
        if isinstance(picture, bytes):
            self._keep(picture)

    def _keep(self, picture: bytes) -> None:
        frozen_at = _HEAD.unpack_from(self._memory, self._base)[1]
        if not frozen_at:
            self._memory[self._base + _FROZEN : self._base + SIZE] = picture
            struct.pack_into("<d", self._memory, self._base + 4, time.monotonic())

    def _unwinds(self, exc: BaseException) -> None:
        """Let an exception that may end the process carry the picture: the requests end before the process."""
        try:
            if not hasattr(exc, _UNWOUND):
                setattr(exc, _UNWOUND, bytes(self._memory[self._base + _LIVE : self._base + _FROZEN]))
        except Exception:  # noqa: BLE001 - an exception class may refuse attributes
            return


class WatchedApp:
    """An ASGI app that notes its requests; everything else of it is the app's own."""

    def __init__(self, app: Any, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Run the app for one scope."""
        kind = scope["type"]
        if kind != "http" and kind != "websocket":  # noqa: PLR1714 - this is on every request's path
            await self._app(scope, receive, send)
            return
        requests = self._requests
        try:
            path = scope.get("raw_path") or scope["path"].encode("utf-8", "replace")
            place = requests.begin(scope.get("method", "WEBSOCKET").encode("latin-1", "replace") + b" " + path)
        except Exception:  # noqa: BLE001 - a guest never breaks the house
            place = 0
        try:
            await self._app(scope, receive, send)
        except SystemExit as exc:
            requests._unwinds(exc)  # noqa: SLF001
            raise
        finally:
            requests.end(place)


def read(memory: Memory, base: int, now: float) -> tuple[list[tuple[str, bytes, float]], int | None]:
    """Return (method, raw path without query, seconds it had run) of each request, oldest first, and the count.

    The count is None where nobody watched the requests of this process.
    """
    sharing, frozen_at, watched = _HEAD.unpack_from(memory, base)
    start = base + (_FROZEN if frozen_at else _LIVE)
    alone = 0
    found: list[tuple[str, bytes, float]] = []
    for place in range(PLACES):
        active, begun, raw = _ENTRY.unpack_from(memory, start + place * _ENTRY.size)
        if active != 1 or begun <= 0:
            continue
        alone += place < OWN
        text = raw.rstrip(b"\0")
        method, _, path = text.partition(b" ")
        route = path.split(b"?", 1)[0].split(b"#", 1)[0]
        if len(text) == MAX_TEXT and len(route) == len(path):
            # It was cut, perhaps within a secret.
            route = route.rpartition(b"/")[0] + b"/..."
        found.append((method.decode("ascii", "replace"), route, max(0.0, (frozen_at or now) - begun)))
    found.sort(key=lambda item: -item[2])
    return found, max(len(found), alone + sharing) if watched else None
