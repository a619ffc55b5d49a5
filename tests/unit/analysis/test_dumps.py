"""What Python's faulthandler prints in a log: where a worker stood when a signal ended it, or the master aborted it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from bootcheck.analysis import analyze, dumps, hypotheses
from bootcheck.model.cause import Cause
from tests.unit.analysis.making import classes, report, stored, told
from tests.unit.analysis.signatures.examples import GET, SITE, start

HEAD = "[2026-11-27 09:{} +0000] [{}] "
OTHER = f'Thread 0x00007ff0f0dff6c0 (most recent call first):\n  File "{SITE}threading.py", line 953 in run\n\n'
VIEW = '  File "/srv/shop/views.py", line 7 in slow\n'
REQUEST = (
    f'  File "{SITE}gunicorn/workers/sync.py", line 184 in handle_request\n'
    f'  File "{SITE}gunicorn/workers/sync.py", line 141 in handle\n'
)
IMPORT = (
    '  File "/srv/shop/model.py", line 3 in <module>\n'
    '  File "<frozen importlib._bootstrap>", line 488 in _call_with_frames_removed\n'
    f'  File "{SITE}gunicorn/util.py", line 371 in import_app\n'
)
CONNECTING = (
    f'  File "{SITE}psycopg2/__init__.py", line 122 in connect\n'
    f'  File "{SITE}sqlalchemy/engine/default.py", line 630 in connect\n'
)


def dump(reason: str, *frames: str, thread: str = "Current thread 0x00007ff0f27ddb80") -> str:
    """Return a dump of a process with another thread."""
    return f"Fatal Python error: {reason}\n\n{OTHER}{thread} (most recent call first):\n{''.join(frames)}"


def timed_out(printed: str) -> str:
    """Return a log in which a worker prints something when it is timed out."""
    order = HEAD.format("02:00", 10) + "[CRITICAL] WORKER TIMEOUT (pid:11)\n"
    end = HEAD.format("02:01", 10) + "[ERROR] Worker (pid:11) was sent SIGABRT!\n"
    return start() + order + printed + end + HEAD.format("02:01", 12) + "[INFO] Booting worker with pid: 12\n"


def crashed(printed: str, *, before: bool = True, name: str = "SIGSEGV") -> str:
    """Return a log in which one prints something when it crashes."""
    end = HEAD.format("02:01", 10) + f"[ERROR] Worker (pid:11) was sent {name}!\n"
    return start() + (printed + end if before else end + printed)


@pytest.mark.parametrize(
    ("frames", "name"),
    [
        ((VIEW, REQUEST), "request-timeout"),
        ((IMPORT,), "boot-timeout"),
        ((CONNECTING, VIEW, REQUEST), "db-unreachable"),
        ((), "request-timeout"),
    ],
)
def test_a_worker_that_the_master_aborts(frames: tuple[str, ...], name: str):
    """The signal is the master's, and no crash; the stack tells whether it was a boot, a request or a connection."""
    served = "" if name == "boot-timeout" else GET

    assert classes(told(timed_out(dump("Aborted", *frames)) + served)) == [(name, 1)]


@pytest.mark.parametrize(
    "printed",
    [
        "  [SignalInfo: *** SIGABRT (@0x3e8000359e9) received by PID 11 (TID 0x7fb6984081c0) from PID 10 ***]\n",
        "*** SIGABRT (@0x1) received by PID 11 (TID 0x7fb6984081c0) from PID 10; stack trace: ***\n",
        "Aborted (core dumped)\n",
    ],
)
def test_what_a_library_prints_of_that_signal(printed: str):
    """It is a consequence there, and a crash where no worker was timed out."""
    assert classes(told(timed_out(printed) + GET)) == [("request-timeout", 1)]
    assert classes(told(crashed(printed, name="SIGABRT"))) == [("native-crash", 1)]


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("reason", "name"),
    [
        ("Segmentation fault", "SIGSEGV"),
        ("Bus error", "SIGBUS"),
        ("Aborted", "SIGABRT"),
        ("Floating-point exception", "SIGFPE"),
    ],
)
def test_a_crash_names_the_call(reason: str, name: str, before: bool):
    """The innermost frame, the app's own one, and both in the evidence's sentence."""
    top = f'  File "{SITE}torch/nn/functional.py", line 2 in linear\n'
    (incident,) = told(crashed(dump(reason, top, VIEW, REQUEST), before=before, name=name)).incidents

    assert incident.cause_class == "native-crash"
    assert f"below linear ({SITE}torch/nn/functional.py:2), by way of /srv/shop/views.py:7 (slow)" in incident.summary
    assert any(item.line == 2 and item.source.endswith("functional.py") for item in incident.evidence)
    assert "PYTHONFAULTHANDLER" not in f"{incident.action}{incident.confirm}"


def test_a_crash_in_the_boot():
    """Its stack is that of an import."""
    (incident,) = told(crashed(dump("Segmentation fault", IMPORT))).incidents

    assert "while it was starting" in incident.summary


@pytest.mark.parametrize(
    "printed",
    [
        "Fatal Python error: Segmentation fault\n\n",
        dump("Segmentation fault", VIEW, thread="Thread 0x00007ff0f27ddb80"),
        dump("Bus error", VIEW),
        dump("Segmentation fault", VIEW).replace("Fatal Python error: Segmentation fault", "Timeout (0:00:05)!"),
        "Fatal Python error: Segmentation fault\n\na\nb\nc\nd\n" + dump("x", VIEW).partition("\n\n")[2],
    ],
)
def test_no_stack_of_this_crash(printed: str):
    """None at all, nobody's in particular, that of another signal, one that was asked for, one that is torn apart."""
    (incident, *_) = told(crashed(printed)).incidents

    assert incident.cause_class == "native-crash"
    assert "below" not in incident.summary


def test_each_crash_has_its_own():
    """The dump stands before Gunicorn's word, or somewhere else in the log."""
    text = start()
    for number, pid in enumerate((11, 12, 13)):
        text += dump("Segmentation fault", f'  File "/srv/shop/part{number}.py", line {pid} in work\n')
        text += HEAD.format(f"0{number + 2}:00", 10) + f"[ERROR] Worker (pid:{pid}) was sent SIGSEGV!\n"
        text += HEAD.format(f"0{number + 2}:00", pid + 1) + f"[INFO] Booting worker with pid: {pid + 1}\n"
    (incident,) = told(text).incidents

    assert incident.count == 3
    assert "/srv/shop/part0.py:11" in incident.summary


def test_a_dump_of_whose_end_nobody_else_tells():
    """The log ends with it, or another program started the server: it still names the call, and no other hypothesis."""
    text = dump("Segmentation fault", '  File "/srv/shop/part.py", line 3 in work\n')
    (incident,) = told(text).incidents

    assert incident.cause_class == "native-crash"
    assert "A process of the server was ended by a fault signal, in native code below work" in incident.summary
    assert [told.refuted_by for told in hypotheses.of_case(hypotheses.Case(incident=incident))] == [
        "The same request or import that succeeds with the suspected library unchanged."
    ]


def test_of_a_crash_that_a_line_tells_nobody_knows_when_it_was():
    """The line stands behind requests, or alone."""
    for before in ("", start() + GET):
        (incident,) = told(
            before + "*** glibc detected *** python: double free or corruption (!prev): 0x4 ***\n"
        ).incidents
        assert "starting" not in incident.summary


def test_the_library_of_another_processor_is_named():
    """As a crash is, with the call that had entered it."""
    top = f'  File "{SITE}polars/lazy.py", line 2 in collect\n'
    (incident,) = told(crashed(dump("Illegal instruction", top, VIEW, REQUEST), name="SIGILL")).incidents

    assert incident.cause_class == "illegal-instruction"
    assert f"native code below collect ({SITE}polars/lazy.py:2) was built for another processor" in incident.summary


def test_the_dump_of_a_child_hours_before():
    """It is not of the worker that crashed at last without one."""
    old = dump("Segmentation fault", '  File "/srv/shop/thumbs.py", line 3 in render\n')
    end = "[2026-11-27 18:00:00 +0000] [10] [ERROR] Worker (pid:11) was sent SIGSEGV!\n"
    found = [incident.summary for incident in told(start() + old + GET * dumps.NEAR_LINES + end).incidents]

    assert not any("thumbs" in text for text in found if "SIGSEGV" in text)


def watched(*stacks: str, code: int = 1, pid: int = 11, patience: str = "0:00:04") -> str:
    """Return what a worker prints that its own watchdog ends, the stack of the main thread last, and Gunicorn's word."""
    threads = "\n".join(f"Thread 0x00007ff0f27ddb8{n} (most recent call first):\n{s}" for n, s in enumerate(stacks))
    end = HEAD.format("02:01", 10) + f"[ERROR] Worker (pid:{pid}) exited with code {code}.\n"
    return f"Timeout ({patience})!\n{threads}{end}{HEAD.format('02:01', 10)}[INFO] Booting worker with pid: {pid + 1}\n"


@pytest.mark.parametrize("patience", ["0:00:04", "0:00:04.500000"])
@pytest.mark.parametrize(
    ("stack", "name", "where"),
    [
        (IMPORT, "boot-timeout", "while it was still starting: it stood in <module> (/srv/shop/model.py:3)."),
        (VIEW + REQUEST, "request-timeout", "in a request: it stood in slow (/srv/shop/views.py:7)."),
        (
            f'  File "{SITE}requests/adapters.py", line 9 in send\n{VIEW}{REQUEST}',
            "request-timeout",
            f"it stood in send ({SITE}requests/adapters.py:9), called by slow (/srv/shop/views.py:7).",
        ),
        (CONNECTING + VIEW + REQUEST, "db-unreachable", "was timed out while it was connecting"),
    ],
)
def test_a_watchdog_of_the_app_itself(patience: str, stack: str, name: str, where: str):
    """`faulthandler.dump_traceback_later(…, exit=True)` ends it with a status only; the dump tells where it stood."""
    (incident,) = told(start() + watched(OTHER.partition("\n")[2], stack, patience=patience)).incidents

    assert (incident.cause_class, incident.code) == (name, "BC504" if name != "db-unreachable" else incident.code)
    assert where in incident.summary


def test_a_watchdog_in_a_long_log():
    """Among lines that are not looked at one by one."""
    text = start() + GET * 40_000 + watched(VIEW + REQUEST) + GET * 40_000

    assert classes(told(text)) == [("request-timeout", 1)]


@pytest.mark.parametrize(
    "text",
    [
        start() + watched(VIEW + REQUEST, code=7),
        start() + watched(VIEW + REQUEST).replace("Timeout (0:00:04)!", "Timeout (soon)!"),
        start() + watched(VIEW + REQUEST).replace("[ERROR]", GET * 300 + HEAD.format("59:00", 10) + "[ERROR]"),
        start() + watched(),
    ],
)
def test_a_status_that_no_watchdog_gave(text: str):
    """Another one, another program's words, one long after the dump, and one without any stack."""
    assert classes(told(text)) == [("app-exception", 1)]


def test_a_dump_that_ends_nothing_is_no_death():
    """Without exit=True it is a look at a process that goes on; twenty of them hide none that ended one."""
    glance = watched(VIEW + REQUEST).partition(HEAD.format("02:01", 10))[0]

    assert classes(told(start() + glance * 30 + GET)) == []
    assert classes(told(start() + glance * 30 + GET + watched(IMPORT))) == [("boot-timeout", 1)]


def test_a_report_of_a_death_by_watchdog_and_the_log(tmp_path: Path):
    """The report knows a status only; beside the log the place is told, and the death counted once."""
    stored(
        tmp_path,
        report(Cause.OS_EXIT, pid=11, at=datetime(2026, 11, 27, 9, 2, 1, tzinfo=timezone.utc).timestamp()),
    )
    (tmp_path / "app.log").write_text(start() + watched(IMPORT))
    (incident,) = analyze([str(tmp_path)]).incidents

    assert (incident.count, incident.cause_class) == (1, "boot-timeout")
    assert "/srv/shop/model.py:3" in incident.summary
