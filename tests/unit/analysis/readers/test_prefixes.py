"""What carriers put before a line is taken off and understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.analysis.readers.prefixes import clean, epoch, record_of
from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import NO_FLASK, raising

AT = 1_795_771_557.0
BARE = "Booting worker with pid: 31"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"[2026-11-27 09:25:57 +0000] [30] [INFO] {BARE}", {"at": AT, "pid": 30, "level": "INFO", "headed": True}),
        (f"[2026-11-27 10:25:57 +0100] [30] [INFO] {BARE}", {"at": AT, "pid": 30}),
        (f"[2026-11-27:09:25 +0000] [30] [INFO] {BARE}", {"pid": 30, "level": "INFO", "headed": True}),
        (f"2026-11-27 09:25:57 [30] [INFO] {BARE}", {"at": AT, "pid": 30, "level": "INFO"}),
        (f"Nov 27 09:25:57 web-1 gunicorn[30]: {BARE}", {"host": "web-1", "stream": "gunicorn", "headed": False}),
        (
            f"Fri 2026-11-27 09:25:57 UTC web-1 web.service[30]: {BARE}",
            {"at": AT, "host": "web-1", "stream": "web.service"},
        ),
        (f"Fri 2026-11-27 09:25:57 CET web-1 gunicorn[30]: {BARE}", {"host": "web-1", "stream": "gunicorn"}),
        (f"<14>1 2026-11-27T09:25:57Z web-1 app 30 - - {BARE}", {"at": AT, "host": "web-1", "stream": "app"}),
        (f"2026-11-27T09:25:57.000000000Z {BARE}", {"at": AT}),
        (f'"2026-11-27T09:25:57.5Z","{BARE}"', {"at": AT + 0.5}),
        (f"2026-11-27T09:25:57Z\u00a0{BARE}\u200b", {"at": AT}),
        (f"2026-11-27T09:25:57.5Z stderr F {BARE}", {"at": AT + 0.5}),
        (f"2026-11-27T09:25:57+00:00 app[web.1]: {BARE}", {"at": AT, "stream": "app[web.1]"}),
        (f"2026-11-27T09:25:57Z app[e784] ams [info] {BARE}", {"at": AT, "stream": "app[e784]"}),
        (f"2026-11-27T09:25:57Z ecs/web/4f2a {BARE}", {"at": AT, "stream": "ecs/web/4f2a"}),
        (f"web-1  | {BARE}", {"stream": "web-1"}),
        (f"0|web  | {BARE}", {"stream": "web"}),
        (f"[pod/web-5d9f/app] {BARE}", {"stream": "pod/web-5d9f/app"}),
        (f"Nov 27 09:25:57 AM  {BARE}", {"headed": False}),
        (f"DEFAULT 2026-11-27T09:25:57.123456Z {BARE}", {"headed": False}),
        (f"2026-Nov-27 09:25:57.123456 {BARE}", {"headed": False}),
        (f"2026/11/27 09:25:57\tstdout\t{BARE}", {"headed": False}),
        (f"2026-11-27 09:25:57\tstderr\t{BARE}", {"at": AT}),
        (f"2026-11-27 09:25:57.5+00:00{BARE}", {"at": AT + 0.5}),
        (f"Nov 27 2026 09:25:57{BARE}", {"headed": False}),
        (f"Nov 27 09:25:57Z shop app/web.1 {BARE}", {"headed": False}),
        (f"##[error]{BARE}", {"headed": False}),
        (f"[shop-7d9c5b6f4-x2x9z web] {BARE}", {"stream": "shop-7d9c5b6f4-x2x9z web"}),
        (f"2 mins ago [2026-11-27 09:25:57 +0000] [30] [INFO] {BARE}", {"at": AT, "pid": 30}),
        (
            f"web-1  | 2026-11-27T09:25:57Z [2026-11-27 09:25:57 +0000] [30] [INFO] {BARE}",
            {"stream": "web-1", "pid": 30, "at": AT},
        ),
        (f"\x1b[32m[2026-11-27 09:25:57 +0000]\x1b[0m [30] [INFO] {BARE}", {"at": AT, "pid": 30}),
    ],
)
def test_a_prefix_is_understood(line: str, expected: dict[str, object]):
    """The text is the line's own, and the prefix has become facts."""
    record = record_of(line, "x.log", 7)

    assert record.text == BARE
    assert {name: getattr(record, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("ERROR:root:no", "ERROR"),
        ("CRITICAL no", "CRITICAL"),
        ("2026-11-27 09:25:57,123 - shop - ERROR - no", "ERROR"),
        ("[2026-11-27 09:25:57,123] ERROR in app: no", "ERROR"),
        ("INFO:     Started server process [8]", "INFO"),
        ("    from app.settings import DEBUG", None),
        ("from x import ERROR", None),
        ("an ERROR in the middle", None),
    ],
)
def test_levels(line: str, level: str | None):
    """A level counts at a line's head only: code and prose may hold the word."""
    assert record_of(line, "x", 1).level == level


def test_lines_of_a_traceback_keep_their_indent():
    """Nothing but the carrier's prefix is taken off."""
    assert record_of('Nov 27 09:25:57 web gunicorn[3]:   File "a.py", line 1', "x", 1).text == '  File "a.py", line 1'
    assert record_of('web-1  |   File "a.py", line 1', "x", 1).text == '  File "a.py", line 1'


def test_what_a_terminal_would_obey_is_gone():
    """Colours, cursor movements, titles, bells."""
    assert clean("\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m\x07\x9b1m\tend") == "red1m\tend"


@given(st.text(max_size=300))
def test_any_line_is_read(text: str):
    """Nothing raises, and no control character is left."""
    record = record_of(text, "x", 1)

    assert all(char >= " " or char == "\t" for char in record.text if char != "\n")


@given(st.from_regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d{1,12})?(Z|[+-]\d\d:?\d\d)?", fullmatch=True))
def test_any_time_is_a_time_or_none(text: str):
    """Impossible ones are no time."""
    at = epoch(text)

    assert at is None or isinstance(at, (int, float))


POD = "shop-7d9c5b6f4-x2x9z"
CARRIERS = {
    "aws logs tail": "2026-11-27T09:00:01+00:00 i-0a1b2c3d {line}",
    "aws logs tail, a container's stream": "2026-11-27T09:00:01.000000+00:00 web[4f2a]/x {line}",
    "a tab after time and stream": "2026-11-27T09:00:01.000Z\tecs/web/4f2a\t{line}",
    "gcloud app logs": "2026-11-27 09:00:01 default[20261127t050000]  {line}",
    "rsyslog with ISO times": "2026-11-27T09:00:01.5+00:00 host1 gunicorn: {line}",
    "stern": POD + " web {line}",
    "stern, a stateful set": "shop-0 web {line}",
    "CSV": "1795771557000,{line}",
    "CSV with dates": "2026-11-27T09:00:01.000Z,{line}",
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_traceback_survives_its_carrier(carrier: str):
    """With every line's own indent and quotation marks."""
    found = told("".join(CARRIERS[carrier].format(line=line) + "\n" for line in raising(NO_FLASK).splitlines()))

    assert classes(found) == [("dependency-missing", 1)]


def test_a_traceback_in_quoted_csv():
    """What holds commas or quotation marks is quoted."""
    lines = [line.replace('"', '""') for line in raising(NO_FLASK).splitlines()]
    found = told("timestamp,message\n" + "".join(f'1795771557000,"{line}"\n' for line in lines))

    assert classes(found) == [("dependency-missing", 1)]
    assert record_of('1795771557000,"  File ""a.py"", line 1"', "x", 1).text == '  File "a.py", line 1'


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-27 09:25:57 order-12 was shipped",
        "2026-11-27 09:25:57 user[7] logged in",
        "2026-11-27 09:25:57 payment failed: declined",
        "well-documented-about errors here",
        "2026-11-27 09:25:57,123 hello there",
        "room-12 is booked",
    ],
)
def test_a_message_is_no_prefix(line: str):
    """A word with a number in it begins many a sentence."""
    record = record_of(line, "x", 1)

    assert record.stream == ""
    assert line.endswith(record.text)
    assert len(record.text.split()) >= 2


def test_a_zone_is_no_part_of_a_word():
    """What begins like a time zone and goes on in capitals is the line's own."""
    for word in ("ESTABLISHED", "CATALOG", "UTC_OFFSET"):
        assert record_of(f"2026-11-27 09:00:01 {word} is set", "log", 1).text == f"{word} is set"
