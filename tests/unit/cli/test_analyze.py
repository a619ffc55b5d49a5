"""`bootcheck analyze`: what goes where, and with which code."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bootcheck.analysis import readers
from bootcheck.cli import main
from bootcheck.model.cause import Cause
from tests.integration.harness import as_from_a_terminal
from tests.unit.analysis.making import AT, LOGS, days_work, report, stored


class _Stdin:
    """Standard input with these bytes."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


def test_an_incident_is_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The finding on stdout, nothing on stderr."""
    stored(tmp_path, report(Cause.OOM, summary="The kernel killed the worker for memory."))

    assert main(["analyze", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("The kernel killed the worker for memory.\n")
    assert captured.err == ""


def test_health_is_code_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """It says so."""
    assert main(["analyze", str(LOGS / "none" / "hup-27.0.1.log")]) == 0
    assert capsys.readouterr().out == "Nothing wrong in 1 file, 26 lines.\n"


def test_the_wrong_file_is_healthy_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """No line of Gunicorn is in it; and of an endless one only the beginning was looked at."""
    (tmp_path / "other.log").write_text("hello\n")
    (tmp_path / "endless.log").write_text("x" * 5_000_000)
    assert main(["analyze", str(tmp_path)]) == 0
    captured = capsys.readouterr()

    assert "is it the right file?" in " ".join(captured.out.split())
    assert captured.err == (
        f"bootcheck: cannot read {tmp_path}/endless.log: a line longer than 4 MB: the rest of it was passed over\n"
    )


def test_a_missing_path_is_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A clear line on stderr."""
    assert main(["analyze", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err == f"bootcheck: cannot read {tmp_path / 'nowhere'}: No such file or directory\n"


def test_json_with_both_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The same object, exit 1 exactly when there are incidents."""
    assert main(["analyze", "--format", "json", str(tmp_path)]) == 0
    nothing = json.loads(capsys.readouterr().out)
    stored(tmp_path, report())
    assert main(["analyze", "--format", "json", str(tmp_path)]) == 1
    something = json.loads(capsys.readouterr().out)

    assert nothing.keys() == something.keys()
    assert nothing["incidents"] == []
    assert len(something["incidents"]) == 1


@pytest.mark.parametrize("name", ["text", "markdown", "html", "github", "junit", "sarif"])
def test_the_other_formats(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]):
    """Each prints the code."""
    stored(tmp_path, report())

    assert main(["analyze", "--format", name, str(tmp_path)]) == 1
    assert "BC501" in capsys.readouterr().out


def test_ten_complaints_are_named_then_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Findings win; complaints stay on stderr."""
    for number in range(25):
        (tmp_path / f"worker-{number}-1.jsonl").write_bytes(b"{broken\n")
    stored(tmp_path, report())

    assert main(["analyze", str(tmp_path)]) == 1
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 11
    assert err[-1] == "bootcheck: and 15 more could not be read (--format json lists them)"


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The stderr line of a death alone gives the cause."""
    monkeypatch.setattr("sys.stdin", _Stdin(report(Cause.OOM).announcement().encode() + b"\n"))

    assert main(["analyze", "-", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["incidents"][0]["cause"] == "oom"


def test_paths_of_every_kind_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A log, a directory and standard input together."""
    stored(tmp_path, report(Cause.OOM, pid=1))
    monkeypatch.setattr("sys.stdin", _Stdin(report(Cause.VANISHED, pid=2).announcement().encode() + b"\n"))

    assert (
        main(["analyze", str(LOGS / "native-crash" / "segv-23.0.0.log"), "-", str(tmp_path), "--format", "json"]) == 1
    )
    found = json.loads(capsys.readouterr().out)
    assert {incident["cause"] for incident in found["incidents"]} == {"oom", "vanished", "native_crash"}


def test_options_reach_the_filter(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Codes as slugs too, lists with commas, hosts as patterns, times of every kind."""
    stored(tmp_path, report(Cause.OOM, pid=1), report(Cause.VANISHED, pid=2, host="db-1"))
    arguments = ["analyze", str(tmp_path), "--format", "json", "--since", "2026-11-27", "--until", "2026-11-28"]

    assert main([*arguments, "--code", "killed-for-memory,BC501"]) == 1
    assert [incident["code"] for incident in json.loads(capsys.readouterr().out)["incidents"]] == ["BC508"]
    assert main([*arguments, "--host", "db-*"]) == 1
    assert [incident["code"] for incident in json.loads(capsys.readouterr().out)["incidents"]] == ["BC512"]
    assert main([*arguments[:-1], "2026-11-26"]) == 0


@pytest.mark.parametrize(
    ("option", "value", "said"), [("--code", "BC5O8", "BC508"), ("--since", "soon", "Write for example")]
)
def test_an_option_that_is_wrong(
    tmp_path: Path, option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]
):
    """Code 2 with the next step."""
    assert main(["analyze", str(tmp_path), option, value]) == 2
    assert said in capsys.readouterr().err


def test_fail_on_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Warnings of boots that reached ready count only when asked for."""
    from bootcheck.model.finding import Finding, Severity

    warning = Finding(code="BC221", summary="pool_pre_ping is off.", severity=Severity.WARNING)
    stored(tmp_path, report(Cause.NONE, kind="boot", step=None, findings=[warning]))

    assert main(["analyze", str(tmp_path)]) == 0
    assert main(["analyze", str(tmp_path), "--fail-on", "warning"]) == 1
    assert "pool_pre_ping is off." in capsys.readouterr().out


def test_without_a_path_the_report_directory_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Where this user's servers leave their reports."""
    stored(tmp_path, report(Cause.OOM))
    monkeypatch.setenv("BOOTCHECK_DIR", str(tmp_path))

    assert main(["analyze"]) == 1
    assert "BC508" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wanted", "count"),
    [("dependency-missing", 1), ("Dependency-Missing", 1), ("BC501,db-unreachable", 1), ("db-unreachable", 0)],
)
def test_a_cause_class_is_a_code_too(wanted: str, count: int, capsys: pytest.CaptureFixture[str]):
    """Asked for by the name that the answer has."""
    log = next(iter(sorted((LOGS / "dependency-missing").glob("*.log"))))

    assert main(["analyze", "--format", "json", "--code", wanted, str(log)]) == int(count > 0)
    assert len(json.loads(capsys.readouterr().out)["incidents"]) == count


def test_output_goes_to_a_file_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Nothing on stdout, the code as ever; the file that is written is none of what is read."""
    stored(tmp_path, report())
    target = tmp_path / "out" / "report.md"
    target.parent.mkdir()

    assert main(["analyze", "--format", "markdown", "-o", str(target), str(tmp_path)]) == 1
    assert capsys.readouterr().out == ""
    assert target.read_text(encoding="utf-8").startswith("# Incident report\n")
    assert list(target.parent.iterdir()) == [target]


def test_an_output_that_cannot_be_written_is_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """What, where and the next step, and no traceback."""
    stored(tmp_path, report())

    assert main(["analyze", "-o", str(tmp_path / "no" / "where"), str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "cannot write" in captured.err
    assert "directory that you may write to" in captured.err


def test_a_probe_that_is_none_is_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Before anything is read."""
    assert main(["analyze", "--probe", "often", str(tmp_path / "nowhere")]) == 2
    assert "DELAY,PERIOD,FAILURES" in capsys.readouterr().err


def test_the_contracts_json_has_no_key_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Patterns, hypotheses and lives are for people: tools get what was promised."""
    days_work(tmp_path)

    assert main(["analyze", "--format", "json", str(tmp_path)]) == 1
    told = json.loads(capsys.readouterr().out)
    # Advice of healthy boots comes last, and only where there is any.
    assert list(told) == ["schema_version", "incidents", "unexplained", "inputs", "advice"]
    assert list(told["incidents"][0]) == [
        "id", "code", "slug", "cause", "cause_class", "summary", "action", "confirm", "confidence", "evidence",
        "against", "first_seen", "last_seen", "processes", "count",
    ]  # fmt: skip


SLOW = """
import os, sys, time
from bootcheck.analysis.collector import Collector
from bootcheck.analysis.readers import shared
from bootcheck.cli import main

shared.LARGE, shared.PART = 0, 4_000
runs = shared._runs

def slowly(file, look, part):
    if part.start >= 8_000:
        os.write(2, b"far\\n")
        time.sleep(60)
    return runs(file, look, part)

def passed(self, lines):
    self._passed = lines
    os.write(2, b"passed\\n")

shared._runs, Collector.passed = slowly, passed
sys.exit(main(sys.argv[1:]))
"""


def test_ctrl_c_ends_all_processes(tmp_path: Path):
    """A terminal sends it to each: what the first one has is told, 130, no traceback, and nobody is left."""
    path = tmp_path / "reports.jsonl"
    lines = [json.dumps(json.loads(report(pid=number, at=AT + number).encoded())) for number in range(30)]
    path.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-c", SLOW, "analyze", "--jobs", "2", "--format", "json", str(path)]
    pipe = subprocess.PIPE
    running = subprocess.Popen(
        command,
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
        preexec_fn=as_from_a_terminal,  # noqa: PLW1509 - it only sets signals
    )
    try:
        seen: list[str] = []
        while seen.count("far\n") < 2 or "passed\n" not in seen:
            seen.append(running.stderr.readline())
            assert seen[-1], seen
        os.killpg(running.pid, signal.SIGINT)
        # The pipes end when nobody is left who could write to them.
        out, err = running.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.communicate()

    assert running.returncode == 130
    assert 0 < json.loads(out)["incidents"][0]["count"] < len(lines)
    assert [line for line in err.splitlines() if line not in {"far", "passed"}] == [
        "bootcheck: broken off after 1 file: the rest was not read."
    ]


def test_ctrl_c_tells_what_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The incident, a word on stderr, and 130."""
    stored(tmp_path, report(summary="The first."), report(pid=32, at=AT + 60, summary="The second."))
    whole = readers._read_place
    places: list[object] = []

    def read_place(place: object, *rest: object) -> None:
        places.append(place)
        if len(places) > 1:
            raise KeyboardInterrupt
        whole(place, *rest)

    monkeypatch.setattr(readers, "_read_place", read_place)
    assert main(["analyze", str(tmp_path)]) == 130
    captured = capsys.readouterr()
    assert captured.out.startswith("The first.\n")
    assert "broken off after 1 file:" in captured.err
