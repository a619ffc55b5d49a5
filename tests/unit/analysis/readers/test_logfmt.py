"""Lines of pairs: what they hold, and what only looks like them."""

from __future__ import annotations

import json

import pytest

from bootcheck.analysis.readers.logfmt import pairs
from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, NO_FLASK, TERM, raising, start


def test_a_line_is_its_pairs():
    """Quotes, escapes, an empty value, a dotted name."""
    assert pairs('time=2026-11-27T09:00:00Z level=error msg="say \\"no\\"\\n\\ttwice" err= k8s.pod=web-1') == {
        "time": "2026-11-27T09:00:00Z",
        "level": "error",
        "msg": 'say "no"\n\ttwice',
        "err": "",
        "k8s.pod": "web-1",
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "msg=alone",
        "level=info time=1",
        "at=error code=H12 and msg=more",
        'level=info msg="open',
        "    x = f(msg=1, level=2)",
        " ".join(f"k{at}=1" for at in range(99)) + " msg=x",
    ],
)
def test_what_is_none(text: str):
    """A text among other words, one pair alone, a line that is cut, code."""
    assert pairs(text) is None


@pytest.mark.parametrize("carrier", ["", "web_1  | "])
def test_a_log_in_pairs_is_read_as_the_log(carrier: str):
    """Gunicorn's heads and the traceback's indentation are in the text."""
    lines = raising(NO_FLASK).splitlines()
    text = "".join(f"{carrier}time=2026-11-27T09:00:00Z level=info msg={json.dumps(line)}\n" for line in lines)

    assert classes(told(text)) == [("dependency-missing", 1)]
    healthy = (start() + GET + TERM).splitlines()
    assert classes(told("".join(f"{carrier}level=info msg={json.dumps(line)}\n" for line in healthy))) == []
