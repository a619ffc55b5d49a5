"""The loop breaker: counts waves, stops for what is permanent, waits for what is not."""

from __future__ import annotations

import pytest

from bootcheck.gunicorn.breaker import LONGEST_PAUSE, PATIENT_WAVES, WAVES, Breaker
from bootcheck.model.cause import Cause

PERMANENT = [Cause.SYS_EXIT, Cause.OS_EXIT, Cause.EXCEPTION, Cause.APP_NOT_FOUND, Cause.NATIVE_CRASH]
PATIENT = [Cause.SIGTERM, Cause.SIGKILL_EXTERNAL, Cause.OOM, Cause.BOOT_DEADLINE, Cause.VANISHED,
           Cause.GUNICORN_TIMEOUT, Cause.SIGKILL_GRACEFUL_TIMEOUT]  # fmt: skip


class Server:
    """A breaker with a clock of its own."""

    def __init__(self, workers: int = 1) -> None:
        self.now = 1000.0
        self.workers = workers
        self.breaker = Breaker(lambda: self.workers, lambda: self.now)

    def die(self, cause: Cause, times: int = 1, code: str | None = None) -> None:
        """Let so many workers die before ready."""
        for _ in range(times):
            self.breaker.died(cause, code, f"died: {cause}")


@pytest.mark.parametrize("cause", PERMANENT)
def test_a_permanent_cause_stops_the_server_after_five_waves(cause: Cause):
    """Not earlier; without a pause before."""
    server = Server()
    server.die(cause, WAVES - 1)
    assert not server.breaker.tripped
    assert server.breaker.pause == 0

    server.die(cause)
    assert server.breaker.tripped
    assert server.breaker.waves == 5
    assert server.breaker.last_summary == f"died: {cause}"


def test_with_eight_workers_eight_deaths_are_one_wave():
    """The same app needs as many rounds, not an eighth of them."""
    server = Server(workers=8)
    server.die(Cause.EXCEPTION, 39)
    assert not server.breaker.tripped
    assert server.breaker.waves == 4
    server.die(Cause.EXCEPTION)
    assert server.breaker.tripped


def test_causes_that_are_permanent_add_up():
    """One worker raises, the next one exits: it is a loop all the same."""
    server = Server()
    for cause in PERMANENT:
        server.die(cause)
    assert server.breaker.tripped


def test_a_server_without_workers_divides_by_nothing():
    """TTOU down to none."""
    server = Server(workers=0)
    server.die(Cause.EXCEPTION)
    assert server.breaker.waves == 1


def test_a_failed_check_counts_by_its_code():
    """A migration that is pending stays so; a database that refuses may come back."""
    permanent, transient = Server(), Server()
    permanent.die(Cause.CHECK_FAILED, WAVES, "BC302")
    transient.die(Cause.CHECK_FAILED, 500, "BC210")

    assert permanent.breaker.tripped
    assert not transient.breaker.tripped
    unknown = Server()
    unknown.die(Cause.CHECK_FAILED, WAVES, None)
    assert unknown.breaker.tripped


def test_pauses_for_a_refused_service_grow_to_thirty_seconds():
    """From the first wave on, and never longer."""
    server = Server()
    pauses = []
    for _ in range(12):
        server.die(Cause.CHECK_FAILED, 1, "BC210")
        pauses.append(server.breaker.pause)
        server.now += server.breaker.pause

    assert pauses == [1, 2, 4, 8, 16, *[LONGEST_PAUSE] * 7]
    assert not server.breaker.tripped


def test_a_pause_ends_by_itself():
    """Whoever asks later is let through."""
    server = Server()
    server.die(Cause.CHECK_FAILED, 2, "BC212")
    server.now += 1.5
    assert server.breaker.pause == 0.5
    server.now += 0.5
    assert server.breaker.pause == 0


def test_a_wave_of_eight_refused_workers_is_one_pause():
    """The first seven deaths of a wave hold nobody."""
    server = Server(workers=8)
    server.die(Cause.CHECK_FAILED, 7, "BC210")
    assert server.breaker.pause == 0
    server.die(Cause.CHECK_FAILED, 1, "BC210")
    assert server.breaker.pause == 1


@pytest.mark.parametrize("cause", PATIENT)
def test_what_comes_from_outside_neither_stops_nor_slows_before_the_tenth_wave(cause: Cause):
    """A node that is short of memory for a minute costs no server."""
    server = Server(workers=2)
    server.die(cause, PATIENT_WAVES * 2)
    assert not server.breaker.tripped
    assert server.breaker.pause == 0

    server.die(cause, 2)
    assert 0 < server.breaker.pause <= LONGEST_PAUSE
    server.die(cause, 500)
    assert not server.breaker.tripped
    assert server.breaker.pause == LONGEST_PAUSE


@pytest.mark.parametrize("code", [None, "BC210"])
@pytest.mark.parametrize("cause", [*PERMANENT, *PATIENT, Cause.CHECK_FAILED])
def test_a_worker_that_is_ready_makes_everything_forgotten(cause: Cause, code: str | None):
    """It never trips after ready, and holds nobody back."""
    server = Server()
    server.die(cause, WAVES - 1, code)
    server.breaker.became_ready()
    assert server.breaker.pause == 0
    server.die(cause, WAVES - 1, code)
    assert not server.breaker.tripped


def test_a_worker_that_fails_beside_serving_ones_slows_respawns_only():
    """The server goes on."""
    server = Server(workers=4)
    pauses = []
    for _ in range(8):
        server.breaker.failed_beside_others()
        pauses.append(server.breaker.pause)

    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert not server.breaker.tripped


def test_every_cause_of_a_death_is_covered_here():
    """A new cause must be put on one side."""
    assert {*PERMANENT, *PATIENT, Cause.CHECK_FAILED, Cause.NONE} == set(Cause)
