"""Tracebacks in one line."""

from __future__ import annotations

import pytest

from bootcheck.analysis import tracebacks
from bootcheck.analysis.readers.folded import printed, unescaped, unfolded
from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import raising, start

TRACE = (
    'Traceback (most recent call last):\n  File "/srv/wsgi.py", line 1, in <module>\n    from shop import app\n'
    "  File \"/srv/shop.py\", line 2, in load\n    import ujson\nModuleNotFoundError: No module named 'ujson'\n"
)
HEAD = "Exception in worker process"


@pytest.mark.parametrize(
    "line",
    [
        HEAD + " " + " ".join(TRACE.split()),
        HEAD + "#012" + TRACE.replace("\n", "#012"),
        HEAD + "\\n" + TRACE.replace("\n", "\\n"),
    ],
    ids=["joined", "syslog", "repr"],
)
def test_it_is_unfolded(line: str):
    """Whatever folded it, the frames, their code and the exception are there."""
    first, *rest = unfolded(line) or []
    (last,) = tracebacks.parse("\n".join(rest))

    assert first == HEAD
    assert last.text == "ModuleNotFoundError: No module named 'ujson'"
    assert [(frame.file, frame.code) for frame in last.frames] == [
        ("/srv/wsgi.py", "from shop import app"),
        ("/srv/shop.py", "import ujson"),
    ]


def test_a_list_of_lines_within_json_is_unfolded():
    """Its quotes are escaped, and what follows the list is no part of it."""
    lines = ["Traceback (most recent call last):", ' File \\"/srv/shop.py\\", line 2, in fork', " pid = os.fork()"]
    line = (
        '{"log":["' + '","'.join((HEAD, *lines, "OSError: [Errno 12] Cannot allocate memory")) + '"],"command":"run"}'
    )

    (last,) = tracebacks.parse("\n".join(unfolded(line.removeprefix('{"log":["')) or []))

    assert last.text.splitlines()[0] == "OSError: [Errno 12] Cannot allocate memory"
    assert last.frames[0].code == "pid = os.fork()"


def test_the_part_after_a_wrap():
    """A joined traceback that was wrapped goes on without its head."""
    lines = unfolded(" ".join(TRACE.split()).partition("line 1, in <module> from")[2]) or []

    assert lines == []
    two = 'load() File "/srv/a.py", line 1, in f g() File "/srv/b.py", line 2, in g h() ValueError: no'
    (last,) = tracebacks.parse('  File "/srv/z.py", line 7, in e\n' + "\n".join(unfolded(two) or []))
    assert last.text == "ValueError: no"
    assert last.frames[0].code == "load()"


@pytest.mark.parametrize("text", ["", "Traceback (most recent call last):", 'see File "a", line 1', TRACE[35:80]])
def test_what_is_not_folded(text: str):
    """An ordinary line stays as it is."""
    assert unfolded(text) is None


def test_json_that_was_printed_for_people():
    """A member that holds text, or an element of a list."""
    assert printed('    "textPayload": "[2026-11-27] \\"ready\\"\\nnow",') == ['[2026-11-27] "ready"', "now"]
    assert printed('  "Traceback (most recent call last):\\n",') == ["Traceback (most recent call last):"]
    assert printed('  "severity": "ERROR",') is None
    assert printed('  "message": "cut') is None


def test_entities_of_a_page():
    """Names that no page uses are left alone."""
    assert unescaped("File &quot;a&quot;, in &lt;module&gt; &amp; more") == 'File "a", in <module> & more'
    assert unescaped("a=1&b=2&nothing;") == "a=1&b=2&nothing;"


def test_a_typesetters_quotes():
    """A forum sets them; only a traceback's lines are set back."""
    assert unescaped("  File “/srv/a.py”, line 3, in <module>") == '  File "/srv/a.py", line 3, in <module>'
    assert unescaped("KeyError: ‘shop’") == "KeyError: 'shop'"
    assert unescaped("He said “no” to File “a”") == "He said “no” to File “a”"


def test_gunicorns_lines_that_a_page_joined_are_parted():
    """Each begins with a head of its own, and keeps its time, its pid and its level."""
    log = start() + (
        "[2026-11-27 09:00:00 +0000] [10] [ERROR] Connection in use: ('0.0.0.0', 8000)\n"
        "[2026-11-27 09:00:01 +0000] [10] [ERROR] Can't connect to ('0.0.0.0', 8000)\n"
    )
    joined = " ".join(log.splitlines())

    assert classes(told(joined)) == [("address-in-use", 1)]
    assert classes(told(" ".join(raising("KeyError: 'SHELVES'").splitlines()))) == [("env-config", 1)]


def test_the_colours_of_a_page_are_no_part_of_a_line():
    """A terminal's log that was pasted as HTML."""
    log = raising("ModuleNotFoundError: No module named 'ujson'")
    page = "".join(
        f'<font color="#06989A">2026-11-27T09:00:01Z app[web.1]:</font> {line}\n' for line in log.splitlines()
    )

    assert classes(told(f"<pre>{page}</pre>")) == classes(told(log))
    assert (
        unescaped('File "<frozen importlib>", line 1, in <module>') == 'File "<frozen importlib>", line 1, in <module>'
    )


def test_a_chain_in_one_line():
    """The line between two tracebacks, and the head of the second, stand in one line each again."""
    text = (
        'Traceback (most recent call last): File "/a.py", line 1, in f g() ValueError: no During handling of the above '
        'exception, another exception occurred: Traceback (most recent call last): File "/b.py", line 2, in h k() KeyError: 1'
    )

    lines = unfolded(text) or []
    assert lines.count("Traceback (most recent call last):") == 2
    assert "During handling of the above exception, another exception occurred:" in lines


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_lines_with_escapes_between_them(quote: str):
    """Without any traceback, as a repr or a string of JSON."""
    lines = [
        "[2026-11-27 09:00:00 +0000] [1] [INFO] Starting gunicorn 23.0.0",
        "[2026-11-27 09:00:00 +0000] [1] [ERROR] Connection in use: ('0.0.0.0', 80)",
        "[2026-11-27 09:00:00 +0000] [1] [ERROR] Retrying in 1 second.",
    ]

    assert unfolded(quote + "\\n".join(lines) + quote) == lines


def test_a_json_line_whose_front_is_cut_off():
    """Who copies half of it loses the head of the traceback, and the name of the field."""
    log = (
        'load_wsgiapp()\\n  File \\"/srv/gunicorn/util.py\\", line 357, in import_app\\n    __import__(module)\\n'
        '  File \\"/srv/books.py\\", line 5, in <module>\\n    import prices\\n'
        'ImportError: No module named prices\\n", "logger": "gunicorn.error"}\n'
        "2026-11-27 09:00:02,637 INFO exited: books (exit status 3; not expected)\n"
    )
    assert classes(told(log)) == [("dependency-missing", 1)]
