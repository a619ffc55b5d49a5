"""The last log lines: seen where records are made, without code of the app and without a handler."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from bootcheck.probes import log_lines
from bootcheck.probes.log_lines import LogLines, read


@pytest.fixture
def memory() -> bytearray:
    """Memory for the ring."""
    return bytearray(log_lines.SIZE + 8)


@pytest.fixture
def lines(memory) -> Iterator[LogLines]:
    """A ring that sees what is logged."""
    before = logging.getLogRecordFactory()
    found = LogLines(memory, 8)
    found.begin()
    yield found
    logging.setLogRecordFactory(before)


@pytest.fixture
def logger() -> logging.Logger:
    """A logger that passes everything."""
    found = logging.getLogger("tests.log_lines")
    found.setLevel(logging.DEBUG)
    found.propagate = False
    found.handlers = [logging.NullHandler()]
    return found


def texts(memory) -> list[str]:
    """Return the texts that are kept."""
    return [line[3] for line in read(memory, 8)]


class Loud:
    """An argument whose text is code of the app."""

    def __str__(self) -> str:
        raise AssertionError

    __repr__ = __str__


class OwnError(Exception):
    """An exception whose text is code of the app."""

    def __str__(self) -> str:
        raise AssertionError


def test_the_newest_twenty_are_kept_in_order(memory, lines, logger):
    """With level and logger."""
    for number in range(30):
        logger.warning("line %d", number)
    assert texts(memory) == [f"line {number}" for number in range(10, 30)]
    created, level, name, _, whole = read(memory, 8)[0]
    assert (level, name, whole) == (30, "tests.log_lines", True)
    assert created > 1e9


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (("%s is %d of %.1f", "a", 2, 3.0), "a is 2 of 3.0"),
        (("%(who)s", {"who": "me"}), "me"),
        (("%s", Loud()), "<Loud>"),
        (("%s", OwnError()), "<OwnError>"),
        (("%s", ValueError("plain words")), "plain words"),
        (("%s", ValueError(Loud())), "<ValueError>"),
        (("%s", OSError(2, "not there")), "[Errno 2] not there"),
        (("%d", Loud()), "%d"),
        ((ValueError("as message"),), "as message"),
        ((Loud(),), "<Loud>"),
    ],
)
def test_a_message_is_formatted_without_code_of_the_app(memory, lines, logger, said, text):
    """Where that is not possible the class's name stands for the value."""
    logger.makeRecord(logger.name, logging.INFO, "app.py", 1, said[0], said[1:], None)
    assert texts(memory) == [text]


def test_an_exception_is_told(memory, lines, logger):
    """In one line."""
    try:
        {}["key"]
    except KeyError:
        logger.exception("lookup")
    assert texts(memory) == ["lookup [KeyError: 'key']"]


def test_after_ready_only_warnings_and_the_servers_own_lines(memory, lines, logger):
    """The path of requests is left alone."""
    lines.ready()
    logger.info("quiet")
    logger.warning("loud")
    for name in ("gunicorn.error", "gunicorn.access"):
        logging.getLogger().makeRecord(name, 20, "f", 1, name, (), None)
    assert texts(memory) == ["loud", "gunicorn.error"]


def test_a_record_made_by_hand_and_the_apps_own_factory_go_on(memory, lines, logger):
    """A record that is made by hand has no level; a factory set later is asked first, and asks ours."""
    assert logging.makeLogRecord({"msg": "x"}).msg == "x"
    inner = logging.getLogRecordFactory()

    def own(*args, **kwargs):
        record = inner(*args, **kwargs)
        record.tenant = "shop"
        return record

    logging.setLogRecordFactory(own)
    logger.warning("kept")
    assert texts(memory) == ["kept"]


def test_a_long_line_is_marked(memory, lines, logger):
    """Cut in memory: whoever shows it must not show the end of it."""
    logger.warning("x" * 1000)
    _, _, _, text, whole = read(memory, 8)[0]
    assert not whole
    assert len(text) < log_lines.MAX_RAW


def test_a_forked_child_writes_nothing(memory, lines, logger, monkeypatch):
    """The memory is shared with it, but it is another process."""
    monkeypatch.setattr(os, "getpid", lambda: -1)
    logger.warning("from the child")
    assert texts(memory) == []
