"""Ordered stops: which workers end by themselves in time, and which are killed before the master can say so."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, START

HEAD = "[2026-11-27 09:0{} +0000] [{}] [INFO] {}\n"
UVICORN = START.replace("Using worker: sync", "Using worker: uvicorn_worker.UvicornWorker")
LEAVING = "Waiting for connections to close. (CTRL+C to force quit)"
DRAINING = "Waiting for application shutdown."


def stop(*words: str, worker: int | None = 11, waited: int = 3) -> str:
    """Return a stop of a server of one worker, which says these words; without a pid where it is None."""
    text = UVICORN + HEAD.format("0:00", 11, "Booting worker with pid: 11") + GET
    text += HEAD.format("2:00", 10, "Handling signal: term")
    for word in words:
        text += f"INFO:     {word}\n" if worker is None else HEAD.format("2:00", worker, word)
    return text + HEAD.format(f"2:0{waited}", 10, "Shutting down: Master")


@pytest.mark.parametrize("words", [(LEAVING,), (DRAINING,), (LEAVING, DRAINING)])
def test_a_worker_that_was_still_waiting(words: tuple[str, ...]):
    """It says what it waits for, and never that it has finished."""
    assert classes(told(stop("Shutting down", *words))) == [("shutdown-timeout", 1)]


@pytest.mark.parametrize("worker", [11, None])
def test_a_worker_that_has_finished(worker: int | None):
    """However long it took."""
    words = (LEAVING, DRAINING, "Application shutdown complete.", "Finished server process [11]")

    assert classes(told(stop("Shutting down", *words, worker=worker, waited=9))) == []


def test_one_of_two_without_pids():
    """One has finished, so the other would have said so as well."""
    begun = HEAD.format("0:00", 12, "Booting worker with pid: 12")
    text = stop(LEAVING, LEAVING, "Finished server process [11]", worker=None).replace(GET, begun + GET)

    assert classes(told(text)) == [("shutdown-timeout", 1)]


def test_one_that_still_boots_says_nothing_of_its_end():
    """Both that served have finished; what a recycled one said hours before is forgotten."""
    begun = HEAD.format("0:00", 12, "Booting worker with pid: 12")
    late = HEAD.format("1:59", 13, "Booting worker with pid: 13") + f"INFO:     {LEAVING}\n"
    ends = ("Finished server process [11]", "Finished server process [12]")
    text = stop(LEAVING, DRAINING, LEAVING, DRAINING, *ends, worker=None).replace(GET, begun + GET + late)

    assert classes(told(text)) == []


@pytest.mark.parametrize("words", [(), ("Shutting down",)])
def test_a_worker_that_says_nothing_of_it(words: tuple[str, ...]):
    """Its log may leave such lines out."""
    assert classes(told(stop(*words))) == []


def test_a_stop_that_takes_no_time():
    """Nobody was killed for that."""
    assert classes(told(stop(LEAVING, waited=1))) == []
