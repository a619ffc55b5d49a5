"""Tracebacks put back together from lines."""

from __future__ import annotations

import sys
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.analysis import tracebacks
from bootcheck.analysis.trouble import BOOT, Trouble
from bootcheck.model.cause import Cause

CHAINED = """\
Traceback (most recent call last):
  File "/srv/a.py", line 1, in connect
    socket()
    ~~~~~~^^
ConnectionRefusedError: [Errno 111] Connection refused

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/b.py", line 2, in <module>
    connect()
  [Previous line repeated 3 more times]
shop.errors.DatabaseDown: the database is down
\tIs it running?

(Background on this error at: https://sqlalche.me/e/20/e3q8)
"""


def test_a_chain_ends_with_what_was_raised_last():
    """Its text may have several lines, its frames keep their code."""
    last, root = tracebacks.parse(CHAINED)

    assert last.type == "shop.errors.DatabaseDown"
    assert last.name == "DatabaseDown"
    assert last.message.startswith("the database is down\n\tIs it running?")
    assert (last.frames[0].file, last.frames[0].line, last.frames[0].code) == ("/srv/b.py", 2, "connect()")
    assert root.text == "ConnectionRefusedError: [Errno 111] Connection refused"
    assert root.frames[0].function == "connect"


def test_what_python_prints_is_read_back():
    """The true traceback of this interpreter, chained by `during handling`."""
    try:
        try:
            {}["absent"]
        except KeyError:
            int("x")
    except ValueError:
        text = traceback.format_exc()

    last, root = tracebacks.parse(text)

    assert last.text == "ValueError: invalid literal for int() with base 10: 'x'"
    assert root.text == "KeyError: 'absent'"
    assert last.frames[-1].function == "test_what_python_prints_is_read_back"
    assert last.frames[-1].code == 'int("x")'


def test_a_syntax_error_names_its_file():
    """It is the last frame, though it has no function."""
    (last,) = tracebacks.parse(
        'Traceback (most recent call last):\n  File "/srv/wsgi.py", line 1, in <module>\n    import shop\n'
        "  File \"/srv/shop.py\", line 7\n    def f(\n         ^\nSyntaxError: '(' was never closed\n"
    )

    assert last.name == "SyntaxError"
    assert (last.frames[-1].file, last.frames[-1].line) == ("/srv/shop.py", 7)
    trouble = Trouble(cause=Cause.EXCEPTION, role="worker", moment=BOOT, chain=(last,), exception=last)
    assert [item.text for item in trouble.shown()] == [last.brief, "def f("]


def test_lost_indentation():
    """Pasted from a web page, the lines have no indent left."""
    (last,) = tracebacks.parse("\n".join(line.strip() for line in CHAINED.splitlines()[6:13]))

    assert last.name == "DatabaseDown"
    assert last.frames[0].file == "/srv/b.py"


def test_a_cut_traceback_has_frames_and_no_exception():
    """Nothing is invented."""
    assert tracebacks.parse('Traceback (most recent call last):\n  File "/srv/a.py", line 1, in f\n') == ()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("ModuleNotFoundError: No module named 'shop'", "ModuleNotFoundError"),
        ("django.core.exceptions.ImproperlyConfigured: the settings are not there", "ImproperlyConfigured"),
        ("socket.error: [Errno 98] Address already in use", "error"),
    ],
)
def test_an_exception_alone(line: str, name: str):
    """Some logs keep the last line only."""
    (last,) = tracebacks.parse(line)

    assert last.name == name
    assert last.frames == ()


def test_the_text_that_gunicorn_repeats_is_no_part():
    """From 25 on str(exception) follows the traceback once more."""
    (last,) = tracebacks.parse(
        CHAINED[CHAINED.rindex("Traceback") :].split("\n\t", maxsplit=1)[0] + "\nthe database is down\n"
    )

    assert last.message == "the database is down"


@pytest.mark.parametrize(
    "text", ["Error handling request /", "All good", "Worker exiting (pid: 3)", "KeyErrors: 5", "a ValueError: x"]
)
def test_what_is_none(text: str):
    """Words that look alike begin no traceback."""
    assert tracebacks.start(text, 1) is None


@given(st.text(alphabet=st.sampled_from("Tab \"'^~|:,.F()\n\tE1é"), max_size=400))
def test_nothing_raises(text: str):
    """Whatever follows the first line."""
    tracebacks.parse("Traceback (most recent call last):\n" + text)


def test_a_traceback_without_end_is_bounded():
    """A recursion of a thousand frames keeps what is needed."""
    frame = '  File "/srv/a.py", line 1, in f\n    f()\n'
    (last,) = tracebacks.parse(
        "Traceback (most recent call last):\n" + frame * sys.getrecursionlimit() + "RecursionError: too deep\n"
    )

    assert last.name == "RecursionError"
    assert len(last.frames) == tracebacks.MAX_FRAMES


def test_a_traceback_whose_head_was_cut():
    """A page shows the last lines: they begin with a frame."""
    (last,) = tracebacks.parse(
        '  File "/srv/shop/db.py", line 3, in connect\n    pool.open()\nshop.errors.PoolError: the pool is empty\n'
    )

    assert last.text == "shop.errors.PoolError: the pool is empty"
    assert last.frames[0].code == "pool.open()"


def test_a_frame_alone_is_no_traceback():
    """Prose goes on after it."""
    assert tracebacks.parse('  File "/srv/a.py", line 1, in f\nThat was the place.\nDone\n') == ()


def test_an_indent_of_the_whole():
    """Quoted with an indent, the exception stands where its first line stands; code stands deeper than its frame."""
    quoted = "\n".join(f"    {line}" if line else "" for line in CHAINED.splitlines())
    last, root = tracebacks.parse(quoted)

    assert last.name == "DatabaseDown"
    assert root.text == "ConnectionRefusedError: [Errno 111] Connection refused"


def test_what_python_2_prints_of_a_socket():
    """Its exceptions have small names and no module."""
    (last,) = tracebacks.parse('  File "/srv/a.py", line 1, in f\n    g()\nerror: [Errno 111] Connection refused\n')

    assert last.text == "error: [Errno 111] Connection refused"


def test_a_function_that_a_page_took_for_a_tag():
    """`<module>` is gone, the frame is one all the same."""
    (last,) = tracebacks.parse(
        'Traceback (most recent call last):\nFile "/srv/a.py", line 1, in \nimport b\nValueError: no\n'
    )

    assert (last.frames[0].file, last.frames[0].code) == ("/srv/a.py", "import b")


@pytest.mark.parametrize("arrow", ["->", "=>", "→"])
def test_code_that_a_person_set_behind_the_name(arrow: str):
    """Who shortens a traceback by hand writes each frame in one line."""
    (error,) = tracebacks.parse(
        f'Traceback (most recent call last):\n  File ".../gunicorn/arbiter.py", line 246, in run      {arrow}  handler()\n'
        "TypeError: no\n"
    )

    assert [(frame.function, frame.code) for frame in error.frames] == [("run", "handler()")]


def test_bold_type_in_a_traceback():
    """A person marks what he means, over the end of a line; ** of the code's own stays."""
    (error,) = tracebacks.parse(
        'Traceback (most recent call last):\n  File "/srv/main.py", **line 22, in init\n    fl = open(name, **options)\n'
        "FileNotFoundError**: [Errno 2] No such file or directory: 'model.pkl'\n"
    )

    assert error.type == "FileNotFoundError"
    assert [(frame.line, frame.function, frame.code) for frame in error.frames] == [
        (22, "init", "fl = open(name, **options)")
    ]


def test_a_traceback_that_the_text_quotes():
    """As Gunicorn's of a worker class: it is no other exception, and what stands below its bracket may be one."""
    inner = (
        'Traceback (most recent call last):\n  File "/a/util.py", line 9, in load\n    x\nImportError: no such entry\n'
    )
    quoting = f"RuntimeError: class uri 'gaio' invalid or not found: \n\n[{inner}]\n"
    outer = 'Traceback (most recent call last):\n  File "/a/config.py", line 1, in worker_class\n    load(uri)\n'

    (found,) = tracebacks.parse(outer + quoting)
    assert found.type == "RuntimeError"
    assert tracebacks.parse(outer + quoting + inner)[0].type == "ImportError"
