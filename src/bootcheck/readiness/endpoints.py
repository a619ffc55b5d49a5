"""What every kind of middleware shares: which paths are ours, who may ask, and what is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from bootcheck.model.errors import SettingError
from bootcheck.probes import board
from bootcheck.readiness.access import Access
from bootcheck.readiness.answer import Answer, answer
from bootcheck.readiness.dependencies import Dependencies, Question
from bootcheck.readiness.state import State, of_worker

HEALTH = "/health"
READY = "/ready"
METHODS = ("GET", "HEAD")


class Client:
    """Who asks."""

    def __init__(self, address: str, *, forwarded: bool, query: str = "") -> None:
        self.address = address
        self.forwarded = forwarded
        self.query = query


class Endpoints:
    """The answers of one app."""

    def __init__(  # noqa: PLR0913 - options by keyword, each with its default
        self,
        *,
        health: str = HEALTH,
        ready: str = READY,
        workers: int | None = 1,
        dependencies: Mapping[str, Question] | None = None,
        optional: Sequence[str] = (),
        timeout: float = 2.0,
        keep: float = 10.0,
        allow: Sequence[str] | None = None,
        details: str = "private",
    ) -> None:
        """Take the options.

        Args:
            health: The path of liveness: this worker answers. It never asks a dependency.
            ready: The path of readiness: this worker serves, and is not being stopped.
            workers: How many workers of the server must be ready; None is all of them.
            dependencies: Names to functions that ask; one that raises or returns False makes `ready` 503.
            optional: Names of dependencies that are told and make nothing unready.
            timeout: Seconds for the dependencies, which are asked at once.
            keep: Seconds for which their answers hold.
            allow: Networks that are answered; for others these paths are the app's own. None: everybody.
            details: Who is told more: `private` addresses without a proxy in between, `always`, `never`.
        """
        if workers is not None and workers < 1:
            msg = f"workers={workers!r}: at least 1 worker must be ready, or None for all of them"
            raise SettingError(msg)
        self._workers = workers
        self._access = Access(allow, details)
        self.dependencies = Dependencies(dependencies or {}, optional=optional, timeout=timeout, keep=keep)
        self.routes: dict[str | None, Callable[[Client, list[dict[str, Any]]], Answer]] = {
            _path(health): self.health,
            _path(ready): self.ready,
        }
        """Path to answer: the one look-up that every other request pays for."""
        self.asks: Mapping[str | None, bool] = {_path(ready): bool(self.dependencies)}
        """The paths that need the answers of dependencies."""
        # The board is set up now, and not at the first question: until then nobody would note who is ready.
        board.here()

    def admits(self, client: Client) -> bool:
        """Tell whether a client is answered; otherwise the app is asked."""
        return self._access.answered(client.address)

    def health(self, client: Client, told: list[dict[str, Any]]) -> Answer:  # noqa: ARG002
        """Return the answer about liveness: whoever gets it, this process lives."""
        state = self._state(client)
        return answer(state, good=state.live, details=self._detailed(client))

    def ready(self, client: Client, told: list[dict[str, Any]]) -> Answer:
        """Return the answer about readiness."""
        state = self._state(client)
        good = state.ready and self.dependencies.required(told)
        return answer(state, good=good, dependencies=told, details=self._detailed(client))

    def _state(self, client: Client) -> State:
        return of_worker(board.here(), least=least_of(client.query, self._workers))

    def _detailed(self, client: Client) -> bool:
        return self._access.detailed(client.address, forwarded=client.forwarded)


class Middleware:
    """Around an app of any kind: it has the app's attributes, and our answers."""

    def __init__(self, app: Any, **options: Any) -> None:
        self.app = app
        self._endpoints = Endpoints(**options)
        self._routes = self._endpoints.routes

    def __getattr__(self, name: str) -> Any:
        if name == "app":
            # Copied or unpickled: it has no app yet.
            raise AttributeError(name)
        return getattr(self.app, name)


def least_of(query: str, default: int | None) -> int | None:
    """Return how many ready workers a question asks for (`?workers=2`, `?workers=all`)."""
    asked = parse_qs(query).get("workers", [""])[-1] if query else ""
    if asked == "all":
        return None
    return max(1, int(asked)) if asked.isdecimal() and len(asked) < 6 else default


def _path(text: str) -> str:
    if not text.startswith("/"):
        msg = f"{text!r} is no path of a probe. Write for example ready='/ready'."
        raise SettingError(msg)
    return text
