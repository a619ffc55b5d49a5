"""Lines of others that stand within a traceback, and what a proxy answers."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import END, GET, start

LIB = "/venv/lib/python3.12/site-packages/"
RAISED = "[2026-11-27 09:00:01 +0000] [11] [ERROR] Exception in worker process\nTraceback (most recent call last):\n"
OURS = '  File "/srv/shop/wsgi.py", line 4, in <module>\n    import shopkit\n'
THEIRS = f'  File "{LIB}shopkit/core.py", line 9, in <module>\n    make(Cart)\n'
PROXY = '172.18.0.9 - - [27/Nov/2026:09:00:01 +0000] "GET /basket HTTP/1.1" {} 157 "-" "probe/2"\n'


@pytest.mark.parametrize(
    "line",
    [
        PROXY.format(502),
        "2026-11-27 09:00:01.120 UTC [77] LOG:  checkpoint starting: time\n",
        "2026-11-27T09:00:01Z INF Connection registered connIndex=2\n",
        "Loading the catalogue ...\n",
        f"{LIB}shopkit/old.py:4: DeprecationWarning: soon gone\n  old()\n",
        "7:M 27 Nov 2026 09:00:01.120 * Ready to accept connections\n",
        "[2026-11-27 09:00:01,120: INFO/MainProcess] sync with 1 nodes\n",
    ],
)
def test_what_others_say_between_the_frames_is_left_out(line: str):
    """The frames above and below it are of one traceback."""
    log = start() + RAISED + OURS + line + THEIRS + line + "AttributeError: odd words\n" + END

    assert classes(told(log)) == [("version-incompatible", 1)]


def test_a_traceback_that_was_cut_ends_where_others_go_on():
    """Its exception is not looked for any further than a few lines below."""
    chat = "".join(f"Loading shelf {number} ...\n" for number in range(9))

    assert classes(told(start() + RAISED + OURS + THEIRS + chat + "AttributeError: odd words\n" + END)) == [
        ("app-exception", 1)
    ]


@pytest.mark.parametrize("status", [502, 504])
def test_a_proxy_that_gets_no_answer_shows_no_server(status: int):
    """What it answers itself tells nothing of an app that came up."""
    log = PROXY.format(status) + OURS + THEIRS + "AttributeError: odd words\n" + PROXY.format(status)

    assert [name for name, _ in classes(told(log))] == ["version-incompatible"]


def test_an_answer_shows_a_server():
    """A traceback of something else is no death then."""
    assert classes(told(GET + OURS + THEIRS + "AttributeError: odd words\n")) == []


def test_an_optional_import_is_no_request_that_failed():
    """Whatever a health check, or somebody else's access log, answers right behind its traceback."""
    optional = "Traceback (most recent call last):\n" + OURS + "ModuleNotFoundError: No module named 'shopkit'\n"
    answer = '10.0.0.9 - - [27/Nov/2026:09:00:01 +0000] "GET /health HTTP/1.1" 503 0 "-" "curl/8"\n'

    assert classes(told(start() + optional + answer)) == []
