"""Deaths that share one cause are one incident, in the order in which a person asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootcheck.analysis import Filter, analyze
from bootcheck.analysis.readers.prefixes import epoch
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding, Severity
from bootcheck.sinks import banner
from tests.unit.analysis.making import AT, LOGS, classes, report, stored, told
from tests.unit.analysis.signatures.examples import END, NO_FLASK, SITE, frame, raising, start

KEYS = {
    "id", "code", "slug", "cause", "cause_class", "summary", "action", "confirm", "confidence", "evidence", "against",
    "first_seen", "last_seen", "processes", "count",
}  # fmt: skip


def test_four_workers_that_died_alike(tmp_path: Path):
    """One incident, four processes with their reports, the span in time."""
    paths = stored(
        tmp_path,
        *(report(pid=pid, at=AT + pid / 100, type="ValueError", message=f"worker {pid}") for pid in range(31, 35)),
    )
    (incident,) = analyze([str(tmp_path)]).incidents

    assert incident.count == 4
    assert [process["pid"] for process in incident.processes] == [31, 32, 33, 34]
    assert {process["report"] for process in incident.processes} == {str(path) for path in paths}
    assert (incident.first_seen, incident.last_seen) == ("2026-11-27T09:25:57.810Z", "2026-11-27T09:25:57.840Z")
    assert "pid" not in incident.summary


def test_the_object_is_that_of_the_contract(tmp_path: Path):
    """No key more, no key less; the same with findings and without."""
    stored(tmp_path, report())
    found = analyze([str(tmp_path)]).as_dict()
    nothing = told("").as_dict()

    assert set(found) == set(nothing) == {"schema_version", "incidents", "unexplained", "inputs"}
    assert set(found["incidents"][0]) == KEYS
    assert set(found["incidents"][0]["processes"][0]) == {"pid", "host", "role", "at", "report"}
    assert all(set(item) == {"source", "line", "text"} for item in found["incidents"][0]["evidence"])
    assert set(found["inputs"]) == {"files", "lines", "reports", "unreadable"}
    json.dumps(found, allow_nan=False)


def test_different_faults_are_different_incidents(tmp_path: Path):
    """By type and text of the exception, by step, by cause."""
    stored(
        tmp_path,
        report(pid=1, type="ValueError", message="a"),
        report(pid=2, type="ValueError", message="b"),
        report(pid=3, type="TypeError", message="a"),
        report(pid=4, type="ValueError", message="a", step="check.env"),
        report(Cause.OOM, pid=5),
    )

    assert len(analyze([str(tmp_path)]).incidents) == 5


def test_workers_killed_together_in_different_steps(tmp_path: Path):
    """One TERM to all hits each where it stands: one incident (A)."""
    stored(
        tmp_path,
        *(
            report(Cause.SIGTERM, pid=pid, at=AT, step=step, signal="SIGTERM", ready=False)
            for pid, step in ((1, "app.load"), (2, "db.init"))
        ),
    )

    assert classes(analyze([str(tmp_path)])) == [("external-stop", 2)]


def test_an_id_is_the_same_on_every_host_and_day(tmp_path: Path):
    """It holds no pid, time or host."""
    ids = []
    for number in range(2):
        home = tmp_path / str(number)
        home.mkdir()
        stored(
            home,
            report(
                pid=40 + number,
                at=AT + 9_000 * number,
                host=f"web-{number}",
                type="ValueError",
                message=f"pid {40 + number}",
            ),
        )
        ids.append(analyze([str(home)]).incidents[0].id)

    assert ids[0] == ids[1]


def test_what_stopped_the_server_comes_first(tmp_path: Path):
    """Then the earliest."""
    stored(
        tmp_path,
        report(Cause.OOM, pid=1, at=AT, ready=True, step=None),
        report(Cause.NATIVE_CRASH, pid=2, at=AT - 50, ready=True, step=None, signal="SIGSEGV"),
        report(Cause.CHECK_FAILED, role="master", pid=3, at=AT + 100, code="BC210", step="check.database"),
    )

    assert [incident.cause for incident in analyze([str(tmp_path)]).incidents] == [
        "check_failed",
        "native_crash",
        "oom",
    ]


def test_siblings_stopped_by_the_master_are_collateral(tmp_path: Path):
    """One worker raises, the master stops the other three: one incident, one death, three named as evidence."""
    stored(
        tmp_path,
        report(pid=31, at=AT, type="ValueError", message="x", server="s1", ready=False),
        *(
            report(Cause.SIGTERM, pid=pid, at=AT + 1, signal="SIGTERM", origin="master", server="s1", ready=False)
            for pid in (32, 33, 34)
        ),
    )
    (incident,) = analyze([str(tmp_path)]).incidents

    assert (incident.cause, incident.count) == ("exception", 1)
    assert any("3 sibling workers" in item.text for item in incident.evidence)


def test_a_stop_from_outside_is_no_collateral(tmp_path: Path):
    """Nor is that of another server, nor one long after."""
    stored(
        tmp_path,
        report(pid=31, at=AT, type="ValueError", message="x", server="s1", ready=False),
        report(Cause.SIGTERM, pid=32, at=AT + 1, signal="SIGTERM", origin="outside", server="s1", ready=False),
        report(Cause.SIGTERM, pid=33, at=AT + 1, signal="SIGTERM", origin="master", server="s2", ready=False),
        report(Cause.SIGTERM, pid=34, at=AT + 900, signal="SIGTERM", origin="master", server="s1", ready=False),
    )

    assert {incident.cause: incident.count for incident in analyze([str(tmp_path)]).incidents} == {
        "exception": 1,
        "sigterm": 3,
    }


def test_one_death_in_every_source_counts_once(tmp_path: Path):
    """Report, stderr line, the same line again, and Gunicorn's own words about the same worker."""
    log = (LOGS / "dependency-missing" / "worker-23.0.0.log").read_text()
    (raised,) = [line for line in log.splitlines() if "Exception in worker process" in line]
    pid, at = int(raised.split("] [")[1]), epoch(raised[1:26]) or 0.0
    item = report(
        pid=pid, at=at + 0.4, type="ModuleNotFoundError", message="No module named 'flask_nowhere'", ready=False
    )
    paths = stored(tmp_path, item)
    announced = item.announcement(str(paths[0]))
    (tmp_path / "app.log").write_text(log + announced + "\n")
    (tmp_path / "copy.log").write_text(f"2026-11-27T09:30:00Z stderr F {announced}\n")

    for order in (["app.log", "copy.log", paths[0].name], [paths[0].name, "copy.log", "app.log"]):
        found = analyze([str(tmp_path / name) for name in order])
        (incident,) = found.incidents

        assert incident.count == 1
        assert incident.cause_class == "dependency-missing"
        assert incident.processes[0]["report"] == str(paths[0])
        assert found.inputs.reports == 1


def test_what_a_banner_repeats_is_no_second_death():
    """Gunicorn may say something between a traceback and bootcheck's banner, which quotes its end."""
    booted = "[2026-11-27 09:00:00 +0000] [12] [INFO] Booting worker with pid: 12\n"
    log = raising(NO_FLASK).removesuffix(END).replace(start(), start() + booted)
    trace = log[log.index("Traceback") :]
    item = report(
        pid=11,
        at=epoch("2026-11-27 09:00:01.4") or 0.0,
        type="ModuleNotFoundError",
        message="No module named 'flask'",
        trace=trace,
        ready=False,
    )
    said = banner.of_report(item, "WORKER 11 DIED (exception)", "/tmp/crash.json")
    between = "[2026-11-27 09:00:01 +0000] [10] [INFO] Control socket listening at /run/gunicorn.ctl\n"

    for text in (said, said + "\n" + item.announcement()):
        assert classes(told(f"{log}{between}{text}\n")) == [("dependency-missing", 1)]
        assert classes(told(f"{log}{text}\n")) == [("dependency-missing", 1)]


def test_a_log_knows_what_a_report_does_not(tmp_path: Path):
    """The master's report says sys.exit(1); Gunicorn's lines say that the port was taken."""
    log = (LOGS / "address-in-use" / "port-23.0.0.log").read_text()
    pid = int(log.split("] [")[1])
    at = epoch(log.splitlines()[-1][1:26]) or 0.0
    stored(tmp_path, report(Cause.SYS_EXIT, role="master", pid=pid, at=at + 0.2, type="SystemExit", message="1"))
    (tmp_path / "app.log").write_text(log)
    (incident,) = analyze([str(tmp_path)]).incidents

    assert (incident.cause, incident.cause_class, incident.count) == ("sys_exit", "address-in-use", 1)


def test_the_masters_report_of_a_taken_address(tmp_path: Path):
    """Gunicorn only says exit(1); the finding beside it says who holds the port."""
    taken = Finding(
        code="BC405", summary="The address 127.0.0.1:8000 is taken by pid 9.", action=("Stop it.",), step="check.port"
    )
    item = report(
        Cause.SYS_EXIT, role="master", type="SystemExit", message="1", ready=True, step=None, findings=[taken]
    )
    stored(tmp_path, item)
    for found in (analyze([str(tmp_path)]), told(item.announcement() + "\n")):
        (incident,) = found.incidents

        assert (incident.code, incident.cause_class, incident.cause) == ("BC405", "address-in-use", "sys_exit")
        assert incident.summary == taken.summary


def test_a_death_that_the_master_saw_late(tmp_path: Path):
    """The worker raised, and the master reaped it half a minute later: pid and start tell that it is one death."""
    log = (LOGS / "dependency-missing" / "worker-23.0.0.log").read_text()
    (raised,) = [line for line in log.splitlines() if "Exception in worker process" in line]
    (booted,) = [line for line in log.splitlines() if f"Booting worker with pid: {raised.split('] [')[1]}" in line]
    pid, at, since = int(raised.split("] [")[1]), epoch(raised[1:26]) or 0.0, epoch(booted[1:26]) or 0.0
    late = report(
        pid=pid,
        at=at + 30,
        uptime=at + 30 - since,
        type="ModuleNotFoundError",
        message="No module named 'flask_nowhere'",
        ready=False,
    )

    assert [count for _, count in classes(told(log + late.announcement() + "\n"))] == [1]


def test_the_bare_line_of_a_master(tmp_path: Path):
    """`Error: …` has neither time nor pid: the report in the same log is about it, wherever its file lies."""
    item = report(role="master", type="RuntimeError", message="database initialisation failed", step="app.load")
    (path,) = stored(tmp_path, item)
    log = item.announcement(str(path)) + "\n" + (LOGS / "app-exception" / "preload-runtime-27.0.1.log").read_text()
    (tmp_path / "app.log").write_text(log)

    assert [count for _, count in classes(told(log))] == [1]
    assert [count for _, count in classes(analyze([str(path), str(tmp_path / "app.log")]))] == [1]


def test_the_step_of_most_speaks_for_all(tmp_path: Path):
    """A master and its workers vanish together: what the workers stood in is the news."""
    stored(
        tmp_path,
        report(Cause.VANISHED, role="master", pid=1, step=None, at=AT - 1),
        *(
            report(
                Cause.VANISHED, pid=pid, step="app.load", summary=f"The worker (pid {pid}) vanished in step app.load."
            )
            for pid in (2, 3)
        ),
    )
    (incident,) = analyze([str(tmp_path)]).incidents

    assert (incident.summary, incident.count) == ("The worker vanished in step app.load.", 3)


def test_the_same_pid_in_another_container_start(tmp_path: Path):
    """Pids repeat from start to start: minutes apart they are two deaths."""
    stored(
        tmp_path,
        report(pid=8, at=AT, type="ValueError", message="x"),
        report(pid=8, at=AT + 300, type="ValueError", message="x"),
    )

    assert classes(analyze([str(tmp_path)])) == [("app-exception", 2)]


# -- warnings ----------------------------------------------------------------------------------


def boot(pid: int) -> object:
    """Return the report of a boot that was ready, with a warning and an advice."""
    return report(
        Cause.NONE,
        kind="boot",
        pid=pid,
        step=None,
        findings=[
            Finding(
                code="BC221", summary="pool_pre_ping is off.", severity=Severity.WARNING, action=("Switch it on.",)
            ),
            Finding(code="BC401", summary="The disk is half full.", severity=Severity.INFO),
        ],
    )


def test_warnings_of_a_boot_that_is_ready_are_no_incident(tmp_path: Path):
    """Code 0 unless they are asked for."""
    stored(tmp_path, boot(1), boot(2))

    assert analyze([str(tmp_path)]).exit_code == 0


def test_warnings_that_are_asked_for(tmp_path: Path):
    """One incident for all processes that found the same; advice stays none."""
    stored(tmp_path, boot(1), boot(2))
    found = analyze([str(tmp_path)], warnings=True)

    assert found.exit_code == 1
    assert [(incident.code, incident.cause, incident.count) for incident in found.incidents] == [("BC221", "none", 2)]


def test_a_snapshot_is_never_a_death(tmp_path: Path):
    """It was made on demand."""
    stored(tmp_path, report(Cause.NONE, kind="snapshot", step=None))

    assert analyze([str(tmp_path)]).exit_code == 0


# -- filters -----------------------------------------------------------------------------------


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Three deaths on two hosts, an hour apart."""
    stored(
        tmp_path,
        report(Cause.OOM, pid=1, at=AT, host="web-1"),
        report(Cause.NATIVE_CRASH, pid=2, at=AT + 3600, host="web-2.example", signal="SIGSEGV"),
        report(Cause.SIGTERM, pid=3, at=AT + 7200, host="web-2.example", signal="SIGTERM"),
    )
    return tmp_path


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(since=AT + 60), {"native_crash", "sigterm"}),
        (Filter(until=AT + 60), {"oom"}),
        (Filter(hosts=("web-1",)), {"oom"}),
        (Filter(hosts=("web-*",)), {"oom", "native_crash", "sigterm"}),
        (Filter(codes=("BC508", "BC505")), {"oom", "sigterm"}),
        (Filter(since=AT + 60, hosts=("web-2*",), codes=("BC509",)), {"native_crash"}),
    ],
)
def test_only_what_is_asked_for(three: Path, wanted: Filter, expected: set[str]):
    """By time, host and code; what is left out is no finding."""
    assert {incident.cause for incident in analyze([str(three)], wanted=wanted).incidents} == expected


# -- unexplained -------------------------------------------------------------------------------


def test_error_lines_that_fit_nothing_are_grouped():
    """By template, the most frequent first, with the place of the first."""
    lines = [
        f"[2026-11-27 09:00:{second:02d} +0000] [11] [ERROR] order {second} of user 0x{second:x} lost"
        for second in range(30)
    ]
    found = told("\n".join([*lines, "[2026-11-27 09:01:00 +0000] [11] [CRITICAL] meltdown"]) + "\n")

    assert found.exit_code == 0
    assert [(item.count, item.template, item.line) for item in found.unexplained] == [
        (30, "order <n> of user <n> lost", 1),
        (1, "meltdown", 31),
    ]


def test_an_explained_line_is_not_unexplained():
    """Gunicorn's own error lines and the traceback of a death belong to the incident."""
    assert told((LOGS / "dependency-missing" / "worker-23.0.0.log").read_text()).unexplained == ()


def test_one_limit_that_worker_and_master_meet():
    """A request that failed and the master that ended of the same are one incident: the death speaks."""
    head = "[2026-11-27 09:02:00 +0000] "
    text = (
        start()
        + f"{head}[11] [ERROR] Socket error processing request.\nOSError: [Errno 24] Too many open files\n"
        + f"{head}[10] [ERROR] Unhandled exception in main loop\nTraceback (most recent call last):\n"
        + frame(SITE + "gunicorn/arbiter.py", "run", "self.manage_workers()")
        + "OSError: [Errno 24] Too many open files\n"
    )
    (incident,) = told(text).incidents

    assert (incident.cause_class, incident.cause, incident.count) == ("resource-limit", "exception", 2)


def _two_workers(lost_at: str) -> str:
    """Return the log of two workers of which one has no traceback of its own."""
    other = "[2026-11-27 09:00:00 +0000] [12] [INFO] Booting worker with pid: 12\n"
    lost = f"[2026-11-27 {lost_at} +0000] [12] [ERROR] Exception in worker process\n"
    exiting = "[2026-11-27 09:00:01 +0000] [11] [INFO] Worker exiting (pid: 11)\n"
    return start() + other + raising(NO_FLASK).removeprefix(start()).replace(exiting, exiting + lost)


def test_two_workers_that_print_over_each_other():
    """The one whose traceback is lost counts with the other."""
    assert classes(told(_two_workers("09:00:01"))) == [("dependency-missing", 2)]


def test_a_worker_that_failed_later_is_told_apart():
    """Minutes later it may have failed of something else."""
    assert ("app-exception", 1) in classes(told(_two_workers("09:03:00")))


def test_interleaved_line_by_line():
    """As two processes with one stderr write."""
    before, found, rest = raising(NO_FLASK).removeprefix(start()).partition(NO_FLASK + "\n")
    doubled = "".join(line + line.replace("[11]", "[12]") for line in (before + found).splitlines(keepends=True))
    booting = "[2026-11-27 09:00:00 +0000] [12] [INFO] Booting worker with pid: 12\n"

    assert classes(told(start() + booting + doubled + rest)) == [("dependency-missing", 2)]
