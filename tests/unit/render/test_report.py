"""One report on a screen."""

from __future__ import annotations

from bootcheck.model.finding import Finding
from bootcheck.model.report import Report
from bootcheck.render import Style
from bootcheck.render.report import lines
from tests.unit.analysis.making import report

TRACE = (
    "Traceback (most recent call last):\n"
    + "".join(f'  File "/srv/a{number}.py", line 1, in f\n    f()\n' for number in range(30))
    + "ValueError: x\n"
)


def screen(item: Report) -> str:
    """Return the screen of a report."""
    return "\n".join(lines(item.as_dict(), "/tmp/crash.json", Style()))


def test_what_a_person_needs_first():
    """Verdict, who, when, step, what to do and where the report lies."""
    text = screen(
        report(
            type="ValueError",
            message="x",
            trace=TRACE,
            uptime=56.0,
            summary="The worker (pid 31) raised ValueError: x.",
        )
    )

    parts = [
        "The worker (pid 31) raised ValueError: x.",
        "BC501 cause exception",
        "worker 31 on web-1 after 56.0 s",
        "app.load",
        "Look at the traceback.",
    ]
    places = [
        text.index(part)
        for part in [*parts, "/tmp/crash.json", "bootcheck explain BC501", "Traceback (the last 25 of 62 lines)"]
    ]
    assert places == sorted(places)
    assert text.index("ValueError: x", places[-1])


def test_findings_stand_in_full():
    """Each with its code and what to do."""
    text = screen(report(findings=[Finding(code="BC101", summary="SECRET_KEY is not set.", action=("Set it.",))]))

    assert "1. SECRET_KEY is not set. [BC101 env-variable-missing]" in text
    assert "Set it." in text


def test_secrets_are_masked_once_more():
    """In a message, a traceback, an evidence."""
    text = screen(
        report(
            summary="password=hunter22secret",
            type="X",
            trace="Traceback (most recent call last):\nX: postgresql://a:hunter22secret@db\n",
        )
    )

    assert "hunter22secret" not in text


def test_a_damaged_report_is_shown_as_far_as_it_goes():
    """Wrong types everywhere, and no exception."""
    document = {
        "verdict": 5,
        "attributes": [],
        "findings": {"a": 1},
        "stacks": [3, {"frames": "x"}],
        "checkpoints": [{"at": 5, "duration_ms": "x"}],
        "step": 7,
    }

    assert "This report has no summary." in "\n".join(lines(document, "x", Style()))


def with_attributes(**attributes: object) -> str:
    """Return the screen of a report with more attributes."""
    document = report(type="ValueError", message="x", trace=TRACE, uptime=1.0, summary="It died.").as_dict()
    document["attributes"] = {**document["attributes"], **attributes}
    return "\n".join(lines(document, "/tmp/crash.json", Style()))


def test_what_was_going_on():
    """Requests, resources, lives before, log lines and imports; a newline in a log line is none on the screen."""
    text = with_attributes(
        **{
            "bootcheck.ready": True,
            "bootcheck.requests": [{"method": "GET", "path": "/slow", "running_s": 3.25}],
            "bootcheck.requests.count": 3,
            "bootcheck.process.memory.peak": 300 << 20,
            "bootcheck.cgroup.memory.limit": 512 << 20,
            "process.thread.count": 4,
            "process.unix.file_descriptor.count": None,
            "process.cpu.time": 1.5,
            "bootcheck.previous_lives": {
                "ended": 2,
                "last": [{"cause": "oom", "uptime_s": 9.0}],
                "earlier_starts": {"deaths": 7, "last": [{"cause": None}]},
            },
            "bootcheck.log": [
                {"at": "2026-11-27T10:00:00.000Z", "level": "ERROR", "logger": "shop", "text": "one\ntwo\x1b[31m"}
            ],
            "bootcheck.imports": [{"module": "torch", "self_ms": 812.5}],
        }
    )
    for part in (
        "GET /slow for 3.2 s",
        "and 2 more",
        "300 MB of memory at most of 512, 4 threads, 1.5 s of CPU",
        "2 workers of this master ended, 7 deaths are known of earlier starts; last: None after unknown time; oom after 9.0",
        "10:00:00.000 ERROR    shop: one | two",
        "812.5 ms  torch",
    ):
        assert part in " ".join(text.split("\n")) or part in " ".join(text.split()), part
    assert "\x1b" not in text


def test_no_request_and_an_unknown_one_are_told_apart():
    """An idle worker had none; of some worker classes nobody knows."""
    known = {"bootcheck.ready": True, "bootcheck.requests": []}
    assert "none in flight" in with_attributes(**known, **{"bootcheck.requests.count": 0})
    known = {"bootcheck.ready": True, "bootcheck.requests": None}
    assert "unknown" in with_attributes(**known, **{"bootcheck.requests.count": None})
    assert "Requests" not in with_attributes(**{"bootcheck.ready": True})
