"""What an app says last, while its server has answered nothing: the log was cut there because of it."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, TERM, request, start

DENIED = "Could not save the shelves: [Errno 13] Permission denied: '/srv/shelves.json'\n"


@pytest.mark.parametrize(
    ("cause_class", "word"),
    [
        ("permission-denied", DENIED),
        ("permission-denied", f"2026-11-27 09:00:01,000 ERROR shelves {DENIED}"),
        ("permission-denied", "FATAL: the folder /srv/shelves is not writable\n"),
        ("permission-denied", "2026-11-27 09:00:01,000 ERROR shelves No write permission for /srv/shelves\n"),
        ("filesystem", "CRITICAL:shelves:Model file /srv/shelves.h5 does not exist\n"),
        ("resource-limit", "ERROR:shelves:Too many open files\n"),
        ("filesystem", "Error loading shelves: [Errno 2] No such file or directory: 'shelves.yaml'\n"),
        ("env-config", "2026-11-27 09:00:01,709 - shelves - ERROR - One or more env variables missing! Exiting now\n"),
        ("env-config", "FATAL: SHELF_TOKEN is not set, cannot start\n"),
        ("filesystem", "OSError: [Errno 30] Read-only file system: '/srv/shelves'\n\n"),
    ],
)
def test_the_last_word_tells(cause_class: str, word: str):
    """Without a level, or with one; an empty line may follow."""
    assert classes(told(start() + word)) == [(cause_class, 1)]


@pytest.mark.parametrize(
    "log",
    [
        start() + DENIED + GET,
        start() + GET + DENIED,
        start() + "2026-11-27 09:00:01,709 - shelves - INFO - SHELF_TOKEN is not set, exiting the demo mode\n",
        start() + "2026-11-27 09:00:01,709 - shelves - ERROR - SHELF_TOKEN is not set\n",
        start() + DENIED + "shelves are ready\nand so are the books\nwelcome\n",
        start() + DENIED + TERM,
        start() + "ERROR:shelves:Failed to send to collector:4317: connection refused\n",
        start() + DENIED.replace("ERROR", "WARNING").replace("\n", ", the default is used\n"),
        start() + f"2026-11-27 09:00:01,000 WARNING shelves {DENIED}",
        start()
        + "[2026-11-27 09:00:01 +0000] [10] [ERROR] Control server error: [Errno 13] Permission denied: '/srv'\n",
        DENIED.replace("[Errno 13] ", "") + start(),
        request("FileNotFoundError: [Errno 2] No such file or directory: 'shelves.yaml'").partition("Shutting")[0],
    ],
)
def test_what_a_server_lives_with_is_no_last_word(log: str):
    """It answers, goes on, stops as told, or says that it does without."""
    assert classes(told(log)) == []
