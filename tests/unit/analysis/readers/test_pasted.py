"""What pasting does to a log is undone."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.analysis.readers.pasted import Joiner, bare, label_of, whole, width_of
from tests.unit.analysis.making import LOGS, classes, told
from tests.unit.analysis.signatures.examples import NO_FLASK, frame, raising, start

LINE = "[2026-11-27 09:00:01 +0000] [11] [ERROR] Exception in worker process"
LOG = raising(NO_FLASK)
HEROKU = "2026-11-27T09:00:01.123456+00:00 app[web.1]: "


@pytest.mark.parametrize(
    "text",
    [
        f"> {LINE}",
        f">> {LINE}",
        f"│ {LINE}      │",
        f"`{LINE}`",
        f"**{LINE}**",
        f"    {LINE}",
        f"^C{LINE}",
        f"11.{LINE}",
        f"> `{LINE}`",
        LINE,
    ],
)
def test_the_line_alone_remains(text: str):
    """Whatever a ticket, a mail or a terminal's frame put around it."""
    assert bare(text) == LINE


@pytest.mark.parametrize(
    "text", [">>> import app", '  File "x.py", line 3, in f', "    return 1", "a > b", "x && y", ""]
)
def test_code_stays_as_it_is(text: str):
    """Its indentation tells what belongs to a traceback."""
    assert bare(text) == text


@given(st.text(alphabet="> `│\t*a[2-0"))
def test_it_ends(text: str):
    """However many marks there are."""
    assert len(bare(text)) <= len(text)


PASTED = {
    "a quote": lambda line: f"> {line}",
    "a code block": lambda line: f"    {line}",
    "a table": lambda line: f"│ {line:<150}│",
    "escaped for HTML": html.escape,
    "Cloud Foundry": lambda line: f"   2026-11-27T09:00:01.12+0000 [APP/PROC/WEB/0] ERR {line}",
    "Railway": lambda line: f"2026-11-27T09:00:01.123456789Z [err]  {line}",
    "a journal without its time": lambda line: f"gunicorn[812]: {line}",
    "a French journal": lambda line: f"nov. 27 09:00:01 web gunicorn[812]: {line}",
    "a Chinese journal": lambda line: f"11月 27 09:00:01 web gunicorn[812]: {line}",
    "DigitalOcean": lambda line: f"[web] [2026-11-27 09:00:01] {line}",
    "Google Cloud's console, copied": lambda line: f"2026-11-27 09:00:01.123 CET{line}",
    "a time on a line of its own": lambda line: f"2026-11-27 09:00:01.123 CET\n{line}",
    "a clock on a line of its own": lambda line: f"Nov 27 09:00:01 AM\n{line}",
    "Render's page": lambda line: f"Nov 27 09:00:01 AM\nshop\n{line}",
    "a level and a time above each line": lambda line: f"info\n2026-11-27T09:00:01.123Z\n{line}",
    "swarm": lambda line: f"app_web.1.k3jd8@node-1    | {line}",
}


@pytest.mark.parametrize("platform", PASTED)
def test_a_paste_tells_the_same(platform: str):
    """The traceback is read to its end, and the cause found."""
    found = told("".join(PASTED[platform](line) + "\n" for line in LOG.splitlines()))

    assert classes(found) == [("dependency-missing", 1)]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_lines_that_a_terminal_broke(width: int):
    """Each began with a time, so what begins with none belongs to the one before."""
    text = "".join(f"{HEROKU}{line.lstrip()}\n" for line in LOG.splitlines())
    broken = "".join(line[at : at + width] + "\n" for line in text.splitlines() for at in range(0, len(line), width))

    assert width_of(broken.encode()) == width
    assert width_of(text.encode()) == 0
    assert classes(told(broken)) == classes(told(text)) == [("dependency-missing", 1)]


@pytest.mark.parametrize("width", [80, 100])
def test_tracebacks_that_a_terminal_broke(width: int):
    """No line of theirs begins with a time, but a frame that goes on without an indent was broken: real ones."""
    for name in ("app-import-error/circular", "backend-unavailable/http", "permission-denied/socket"):
        text = (LOGS / f"{name}-23.0.0.log").read_text()
        lines = [[line[at : at + width] for at in range(0, len(line), width)] or [""] for line in text.splitlines()]
        kept = "".join(f"{part}\n" for parts in lines for part in parts)
        trimmed = "".join(f"{part.rstrip()}\n" for parts in lines for part in parts)

        assert classes(told(text))
        assert classes(told(kept)) == classes(told(text)), name
        assert classes(told(trimmed)) == classes(told(text)), name


def test_line_numbers_stay():
    """The second part of a broken line leaves an empty one behind."""
    joiner = Joiner(10)

    assert joiner.feed(b"2026-01-01\nT09\nweb | x\n") + joiner.end() == b"2026-01-01T09\n\nweb | x\n"


def test_a_line_that_comes_again_and_again_is_no_break():
    """Gunicorn 27 repeats its longest line with each worker, and what the app prints follows."""
    text = "".join(
        f"[2026-11-27 09:00:0{number} +0000] [1{number}] [INFO] Booting worker with pid: 1{number}\n"
        f"[2026-11-27 09:00:0{number} +0000] [10] [INFO] Control socket listening at /root/.gunicorn/gunicorn.ctl\n"
        "loading the model\n"
        for number in range(1, 6)
    )

    assert width_of(text.encode()) == 0


def test_lines_filled_with_blanks_are_no_breaks():
    """A terminal's screen was copied with what stands behind each line."""
    lines = (*LOG.splitlines(), "Process exited")
    filled = "".join(f"{line:<140}\n" for line in lines)

    assert width_of(filled.encode()) == 0
    assert Joiner(140).feed(filled.encode()).decode().count("\n\n") == 0
    assert classes(told(filled)) == [("dependency-missing", 1)]


def test_long_lines_are_no_breaks():
    """Several of one length, each followed by a new one."""
    assert width_of(f"{LINE}\n{LINE}\n{LINE}\nTraceback (most recent call last):\n".encode()) == 0


@pytest.mark.parametrize(
    "run_together",
    [
        lambda trace: trace.replace("\n", "#012"),
        lambda trace: trace.replace('"', '\\"').replace("\n", "\\n"),
        lambda trace: trace.replace("\n", " "),
    ],
    ids=["syslog", "JSON", "spaces"],
)
def test_a_traceback_in_one_line(run_together):
    """Of a syslog, of a JSON string, of a copy without line breaks."""
    trace = "".join(line for line in LOG.splitlines(keepends=True) if not line.startswith("[")).rstrip()
    text = f"{start()}{LINE} {run_together(trace)}\n"

    assert classes(told(text)) == [("dependency-missing", 1)]


def test_a_traceback_whose_head_is_not_in_the_log():
    """As the last ten lines of a status have it."""
    text = (
        frame("/srv/shop/config.py", "read", "open(path)")
        + "FileNotFoundError: [Errno 2] No such file or directory: 'x.yaml'\n"
    )

    assert classes(told(text)) == [("filesystem", 1)]


@pytest.mark.parametrize("blot", ["XXXX", "<pid>", "***", "PID", "…"])
def test_pids_that_were_made_unreadable(blot: str):
    """Somebody thought them secret: the death is the same, of a process without a number."""
    text = (LOGS / "native-crash" / "segv-23.0.0.log").read_text()
    blotted = re.sub(r"(\] \[|\(pid: ?|with pid: )\d+", rf"\g<1>{blot}", text)

    assert blot in blotted
    assert classes(told(blotted)) == classes(told(text))
    (incident,) = told(blotted).incidents
    assert incident.cause_class == "native-crash"
    assert [process["pid"] for process in incident.processes] == [None] * incident.count


def test_supervisord_that_prints_a_program_in_pieces():
    """At level debug it says before each piece whose output follows, also in the middle of a traceback."""
    lines = (LOGS / "config-file-error" / "hook-23.0.0.log").read_text().splitlines()
    pieces = [lines[at : at + 7] for at in range(0, len(lines), 7)]
    head = "2026-11-27 09:28:42,123 DEBG 'shop' stderr output:"

    assert classes(told("".join("\n".join([head, *piece, "", ""]) for piece in pieces))) == [("config-file-error", 1)]


def test_a_word_that_comes_again_is_no_label_without_a_time():
    """An app may print one and the same word as often as it likes."""
    assert label_of(b"ready\nGET /\n" * 20) == b""
    assert label_of(b"Nov 27 09:00:01 AM\nshop\nline 1\n" * 20) == b"shop"
    assert label_of(b"shop\nline 1\nNov 27 09:00:01 AM\n" * 20) == b"shop"


def test_an_exception_that_was_made_a_heading():
    """Whoever writes about it marks the line that matters."""
    assert bare("### ModuleNotFoundError: No module named 'shop'") == "ModuleNotFoundError: No module named 'shop'"
    assert bare("### What happened") == "### What happened"


@pytest.mark.parametrize(
    ("shown", "meant"),
    [
        ("Exception in w>", "Exception in worker process"),
        ("Exception in wor…", "Exception in worker process"),
        ("Worker exiting >", "Worker exiting (pid: 7)"),
        ("Booting worker with...", "Booting worker with pid: 7"),
        ("Reason: Worker fai>", "Reason: Worker failed to boot."),
        ("Exception in >", "Exception in >"),
        ("Worker >", "Worker >"),
        ("Exception in worker process", "Exception in worker process"),
        ("loading shelves...", "loading shelves..."),
    ],
)
def test_what_a_pager_cut(shown: str, meant: str):
    """`systemctl status` and `journalctl` cut at the edge of the screen: only one of Gunicorn's lines begins so."""
    assert whole(shown, 7) == meant
