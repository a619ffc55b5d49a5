"""Log lines inside JSON objects."""

from __future__ import annotations

import json

import pytest

from bootcheck.analysis import tracebacks
from bootcheck.analysis.readers.wrapped import records_of
from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import NO_FLASK, raising


@pytest.mark.parametrize(
    ("wrapper", "expected"),
    [
        ({"log": "[2026-11-27 09:25:57 +0000] [30] [INFO] hello\n", "stream": "stderr"}, {"text": "hello", "pid": 30}),
        (
            {"message": "hello", "levelname": "ERROR", "process": 30},
            {"text": "hello", "level": "ERROR", "pid": 30, "headed": True},
        ),
        ({"msg": "hello", "level": 50, "time": 1795771557000}, {"text": "hello", "level": "ERROR", "at": 1795771557.0}),
        (
            {"event": "hello", "level": "warn", "timestamp": "2026-11-27T09:25:57Z"},
            {"level": "WARNING", "at": 1795771557.0},
        ),
        (
            {"MESSAGE": "hello", "_HOSTNAME": "web-1", "__REALTIME_TIMESTAMP": "1795771557000000"},
            {"host": "web-1", "at": 1795771557.0},
        ),
        ({"textPayload": "hello", "severity": "ERROR"}, {"text": "hello", "level": "ERROR"}),
        ({"jsonPayload": {"message": "hello"}, "severity": "INFO"}, {"text": "hello", "level": "INFO"}),
        ({"TimeStamp": "2026-11-27T09:25:57+00:00", "Log": "F   hello"}, {"text": "  hello", "at": 1795771557.0}),
        ({"TimeGenerated": "2026-11-27T09:25:57Z", "ResultDescription": "hello"}, {"text": "hello", "headed": False}),
        ({"log": "hello", "kubernetes": {"pod_name": "web-5d9f"}}, {"stream": "web-5d9f"}),
    ],
)
def test_the_line_and_its_facts(wrapper: dict[str, object], expected: dict[str, object]):
    """Each kind of wrapper gives text, level, pid, time and origin."""
    (record,) = records_of(wrapper, "x.log", 3)

    assert {name: getattr(record, name) for name in expected} == expected


def test_a_traceback_beside_the_message():
    """JSON loggers keep it under a key of its own: its lines follow the message's."""
    records = list(
        records_of(
            {"message": "Exception in worker process", "exc_info": "Traceback (most recent call last):\nValueError: x"},
            "x",
            1,
        )
    )

    assert [record.text for record in records] == [
        "Exception in worker process",
        "Traceback (most recent call last):",
        "ValueError: x",
    ]
    assert [record.headed for record in records] == [True, False, False]


@pytest.mark.parametrize("wrapper", [{}, {"a": 1}, {"message": 5}, {"log": None}, {"message": ["x"]}])
def test_what_is_no_log_line(wrapper: dict[str, object]):
    """Other objects give nothing."""
    assert list(records_of(wrapper, "x", 1)) == []


@pytest.mark.parametrize("time", [1e308, -5, True, "x", None, [], "99999999999999999999999"])
def test_a_time_that_is_none(time: object):
    """It is left out, not believed."""
    (record,) = records_of({"message": "x", "time": time}, "x", 1)

    assert record.at is None


@pytest.mark.parametrize("more", [{}, {"level": "error"}, {"severity": "ERROR", "pod": "web-1"}])
def test_a_traceback_that_is_wrapped_line_by_line(more: dict[str, str]):
    """Whether or not the carrier gives each line a level."""
    lines = [
        json.dumps({"message": line, "timestamp": "2026-11-27T09:00:01Z", **more})
        for line in raising(NO_FLASK).splitlines()
    ]

    assert classes(told("\n".join(lines) + "\n")) == [("dependency-missing", 1)]


def test_an_exception_as_fields():
    """What structlog makes of it: the last one raised first, with what it came from."""
    frames = [{"filename": "/srv/shop/db.py", "lineno": 3, "name": "connect"}]
    links = [
        {"exc_type": "OperationalError", "exc_value": "no database", "frames": frames},
        {"exc_type": "ConnectionRefusedError", "exc_value": "[Errno 111] Connection refused", "is_cause": True},
    ]
    text = "\n".join(
        record.text for record in records_of({"event": "failed", "level": "error", "exception": links}, "x.log", 3)
    )
    last, root = tracebacks.parse(text)

    assert last.text == "OperationalError: no database"
    assert last.frames[0].file == "/srv/shop/db.py"
    assert root.text == "ConnectionRefusedError: [Errno 111] Connection refused"
