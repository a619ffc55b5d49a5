"""How a worker ended, where the lines of one end come in another order than it happened."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, start

MASTER = "[2026-11-27 09:05:00 +0000] [10] "
EXITING = "[2026-11-27 09:05:00 +0000] [11] [INFO] Worker exiting (pid: 11)\n"


@pytest.mark.parametrize("order", ["term", "int", "quit"])
def test_a_signal_to_the_whole_group(order: str):
    """A worker may say that it exits before the master says why: a clean stop is no incident."""
    sent = f"{MASTER}[ERROR] Worker (pid:11) was sent SIG{order.upper()}!\n"
    text = start() + GET + EXITING + f"{MASTER}[INFO] Handling signal: {order}\n" + sent

    assert classes(told(text + f"{MASTER}[INFO] Shutting down: Master\n")) == []


def test_a_signal_to_one_worker():
    """With no stop of the server it is told."""
    text = start() + EXITING + f"{MASTER}[ERROR] Worker (pid:11) was sent SIGTERM!\n"

    assert classes(told(text)) == [("external-stop", 1)]
