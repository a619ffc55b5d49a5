"""The loop breaker: a server whose workers die again and again before any is ready stops with the reason.

Plain Gunicorn starts such a worker again up to 19 times a second, without end. The breaker acts
only while no worker is ready. It counts waves, not deaths: with eight workers eight deaths are
one wave. A permanent cause stops the server after five waves; a cause that waiting may cure
only makes the pauses between respawns grow. The master itself never sleeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bootcheck.gunicorn import seams
from bootcheck.model.cause import Cause
from bootcheck.model.codes import CODES
from bootcheck.sinks.stderr import say

if TYPE_CHECKING:
    from bootcheck.gunicorn.receiver import Receiver

WAVES = 5
EXIT = 3
"""What a server exits with that is stopped."""
PATIENT_WAVES = 10
"""Waves of foreign signals, memory kills and boot deadlines before respawns slow down."""
LONGEST_PAUSE = 30.0
"""Seconds."""
PERMANENT = frozenset(
    {Cause.SYS_EXIT, Cause.OS_EXIT, Cause.EXCEPTION, Cause.APP_NOT_FOUND, Cause.NATIVE_CRASH, Cause.CHECK_FAILED}
)


class Breaker:
    """Counts deaths before ready, and says when to stop and when to wait."""

    def __init__(self, workers: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._workers = workers
        self._clock = clock
        self._permanent = 0
        self._transient = 0
        self._patient = 0
        self._beside = 0
        self._held_until = 0.0
        self.last_summary = ""

    def died(self, cause: Cause, code: str | None, summary: str) -> None:
        """Count a death that came before ready."""
        self.last_summary = summary
        rule = CODES.get(code or "")
        if cause is Cause.CHECK_FAILED and rule is not None and rule.transient:
            self._transient += 1
            self._hold(self._waves(self._transient))
        elif cause in PERMANENT:
            self._permanent += 1
        else:
            self._patient += 1
            self._hold(self._waves(self._patient) - PATIENT_WAVES)

    def failed_beside_others(self) -> None:
        """Count a worker that failed to boot while others serve: the server goes on, respawns slow down."""
        self._beside += 1
        self._hold(self._beside)

    def became_ready(self) -> None:
        """Forget everything: a worker made it."""
        self._permanent = self._transient = self._patient = self._beside = 0
        self._held_until = 0.0

    @property
    def tripped(self) -> bool:
        """True when the server should stop."""
        return self._waves(self._permanent) >= WAVES

    @property
    def waves(self) -> int:
        """Full waves of deaths for a permanent cause."""
        return self._waves(self._permanent)

    @property
    def pause(self) -> float:
        """Seconds for which no worker is to be started, 0 when one may be."""
        return max(0.0, self._held_until - self._clock())

    def _waves(self, deaths: int) -> int:
        return deaths // max(1, self._workers())

    def _hold(self, waves: int) -> None:
        if waves > 0:
            self._held_until = self._clock() + min(LONGEST_PAUSE, 0.5 * 2.0 ** min(waves, 10))


def stop(receiver: Receiver, breaker: Breaker) -> None:
    """Stop the server with the reason, unless a worker has made it meanwhile."""
    if receiver.any_ready():
        breaker.became_ready()
        return
    say(
        f"bootcheck: THE SERVER STOPS: {breaker.waves} waves of workers died before any was ready. "
        f"The last one: {breaker.last_summary}"
    )
    receiver.boot_failures += 1
    breaker.became_ready()
    seams.halt("bootcheck: workers die again and again before any is ready.", EXIT)
