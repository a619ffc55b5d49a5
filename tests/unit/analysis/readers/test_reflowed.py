"""Logs of which a page made a paragraph, and those of which it only looks so."""

from __future__ import annotations

import io
import textwrap

import pytest

from bootcheck.analysis.readers import reflowed
from bootcheck.analysis.readers.stream import Stream
from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, NO_FLASK, frame, raising, start

LOG = raising(NO_FLASK)


def _stream(text: str) -> Stream:
    return Stream("-", io.BytesIO(text.encode()).read)


def paragraph(lines: list[str], width: int) -> str:
    """Return lines as a page shows them that has no line breaks, and as a mail breaks them."""
    text = " ".join(line.strip() for line in lines if line.strip())
    return "\n".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)) + "\n"


@pytest.mark.parametrize("width", [60, 78, 120, 100_000])
@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "Nov 27 09:00:01 web-1 gunicorn[812]: ",
        "2026-11-27T09:00:01.{:06}+00:00 app[web.1]: ",
        "shop-web_1  | ",
    ],
    ids=["plain", "journald", "heroku", "compose"],
)
def test_its_lines_are_parted_again(prefix: str, width: int):
    """Where Gunicorn's heads stand, or those that a platform puts before each line."""
    lines = [prefix.format(at) + line for at, line in enumerate(LOG.splitlines())]
    text = paragraph(lines, width)

    # Where a line is about as wide as the page nearly each begins one: what then stands within is found there.
    assert reflowed.order_of(_stream(text)) is not None or width == 120
    assert classes(told(text)) == [("dependency-missing", 1)]


def test_a_traceback_alone():
    """Without any head of Gunicorn's: frames go on where they should end, or are broken."""
    lines = (
        "Traceback (most recent call last):\n"
        + frame("/venv/bin/gunicorn", "<module>", "sys.exit(run())")
        + frame("/venv/lib/python3.12/site-packages/gunicorn/arbiter.py", "setup", "self.app.wsgi()")
        + frame("/srv/shop/wsgi.py", "<module>", "import flask")
        + NO_FLASK
    ).splitlines()
    for width in (60, 78, 120, 100_000):
        assert classes(told(paragraph(lines, width))) == [("dependency-missing", 1)], width


@pytest.mark.parametrize(
    "text",
    [
        LOG,
        "".join(f"Nov 27 09:00:01 web-1 gunicorn[812]: {line}\n" for line in LOG.splitlines()),
        "".join(f"shop-7d9f-x2 web 2026-11-27T09:00:01.{at:06}Z {line}\n" for at, line in enumerate(LOG.splitlines())),
        "".join(f"web-1  | 2026-11-27T09:00:01.{at:06}Z {line}\n" for at, line in enumerate(LOG.splitlines())),
        '{"log": "web_1 | [2026-11-27 09:00:00 +0000] [1] [INFO] a web_1 | b web_1 | c"}\n' * 3,
        start() + GET,
        "Traceback (most recent call last):\n" + frame("/srv/a.py") * 3 + NO_FLASK,
        "",
    ],
    ids=["plain", "journald", "kubectl", "compose", "json", "healthy", "traceback", "empty"],
)
def test_others_stay_as_they_are(text: str):
    """Each line is one, whoever wrote what before it."""
    assert reflowed.order_of(_stream(text)) is None


def test_each_line_knows_where_it_stood():
    """The number is that of the line of the paragraph in which it begins."""
    order = reflowed.order_of(_stream(paragraph(LOG.splitlines(), 78)))
    assert order is not None
    numbers, block = order(paragraph(LOG.splitlines(), 78).encode())

    assert numbers == sorted(numbers)
    assert (numbers[0], block.count(b"\n")) == (1, len(numbers))
    assert block.splitlines()[-1].endswith(b"Worker failed to boot.")


@pytest.mark.parametrize(
    "prefix",
    ["", "Nov 27 09:00:01 web-1 gunicorn[812]: ", "shop-web_1  | ", "shop-7d9f-x2 web 2026-11-27T09:00:01.{:06}Z "],
)
@pytest.mark.parametrize(
    "line",
    [
        "id user_1 | role_2 | shelf_3 | book_4 | none",
        "seen 2026-11-27T09:00:01.1Z and 2026-11-27T09:00:01.2Z and 2026-11-27T09:00:01.3Z again",
        "said Nov 27 09:00:01 a b[1]: x Nov 27 09:00:01 a b[1]: y Nov 27 09:00:01 a b[1]: z",
    ],
)
def test_a_line_that_quotes_others_makes_no_paragraph(prefix: str, line: str):
    """A table, times of something else, another log: the other lines are lines."""
    lines = LOG.splitlines()
    lines.insert(6, line)
    text = "".join(f"{prefix.format(at)}{told}\n" for at, told in enumerate(lines))

    assert classes(told(text)) == [("dependency-missing", 1)]
    bare = (
        "Traceback (most recent call last):\n" + frame("/srv/shop/wsgi.py", "<module>", "import flask") * 9 + NO_FLASK
    )
    assert classes(told(f"{line}\n{bare}\n")) == classes(told(f"{bare}\n"))


def test_lines_of_a_container_in_one_line():
    """Its name comes again before each; a table, or two containers in one word each, are none."""
    text = (
        "| | Worker exiting (pid: 9) web_1 | ERROR : it failed: web_1 | [Errno 13] no web_1 | "
        "[2026-11-27 09:00:00 +0000] [1] [ERROR] x"
    )
    order = reflowed.order_of(_stream(text))

    assert order is not None
    assert order(text.encode())[1].decode().splitlines() == [
        "Worker exiting (pid: 9)",
        "web_1 | ERROR : it failed:",
        "web_1 | [Errno 13] no",
        "web_1 | [2026-11-27 09:00:00 +0000] [1] [ERROR] x",
    ]
    assert reflowed.order_of(_stream("web_1 | one db_1 | two")) is None
    assert reflowed.order_of(_stream("a | b | c | a")) is None
