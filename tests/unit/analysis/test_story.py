"""The incident report: what a person would have to find out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bootcheck.analysis import Analysis, Filter, History, analyze
from bootcheck.analysis.hypotheses import VERDICTS, Hypothesis
from bootcheck.analysis.manifest import Probe
from bootcheck.analysis.story import Story, tell
from bootcheck.model.cause import Cause
from bootcheck.model.errors import BootcheckError
from tests.unit.analysis.making import AT, days_work, entered, head, journal, report, stored


def read(path: Path, **options: object) -> Analysis:
    """Analyze a directory with its history."""
    return analyze([str(path)], history=History(), **options)


def hypothesis(story: Story, name: str) -> Hypothesis:
    """Return a hypothesis of the first incident by a word of its name."""
    return next(told for told in story.chapters[0].hypotheses if name in told.name)


def test_a_days_report(tmp_path: Path):
    """First sign, the last good boot, what changed since, intervals, advice by priority."""
    days_work(tmp_path)
    story = tell(read(tmp_path))
    (chapter,) = story.chapters
    lengths = {one.name: one.told for one in story.intervals}

    assert story.summary[1].startswith("8 deaths on 2 hosts")
    assert len(story.spans) == 12
    assert chapter.first_sign is not None
    assert "worker 100" in chapter.first_sign.text
    assert chapter.good is not None
    assert chapter.good.pid == 23
    assert chapter.changes == (("tag release", "1.41", "1.42"),)
    assert lengths["BC505: in step db.init until death"] == "51.0 s"
    assert lengths["BC505: from one wave of deaths to the next"] == "60.0 s"
    assert lengths["Start to ready, worker"] == "7.0 s"
    assert [advice.priority for advice in story.advice] == sorted(advice.priority for advice in story.advice)
    assert any("BOOTCHECK_BOOT_DEADLINE" in advice.text for advice in story.advice)
    assert all(told.verdict in VERDICTS and told.refuted_by for told in chapter.hypotheses)


def served(path: Path, begun: float) -> None:
    """Write a start whose master was ready at once, and whose worker was stopped 56 s after AT."""
    master = report(Cause.NONE, kind="boot", role="master", pid=1, at=begun, step=None, server="s1")
    stored(path, replace(master, attributes={**master.attributes, "bootcheck.boot.duration_s": 0.0}))
    stored(path, report(Cause.SIGTERM, pid=9, at=AT + 56, uptime=56.0, server="s1", origin="outside", signal="SIGTERM"))


def test_a_probe_that_is_too_patient_is_refuted(tmp_path: Path):
    """10 s + 15 × 30 s is more than 56 s: what incident D's team did not compute."""
    served(tmp_path, AT)
    analysis = read(tmp_path)

    unknown = hypothesis(tell(analysis), "probe")
    patient = hypothesis(tell(replace(analysis, probes=(Probe.parse("10,30,15"),))), "probe")
    hasty = hypothesis(tell(replace(analysis, probes=(Probe.parse("20,12,3"),))), "probe")
    assert unknown.verdict == "open"
    assert any("--probe" in text for text in unknown.con)
    assert patient.verdict == "refuted"
    assert any("10 s + 15 × 30 s = 7.7 min; the server had run for 56.0 s" in text for text in patient.con)
    assert hasty.verdict == "open"
    assert any("had run for 56.0 s, and the probe's patience is" in text for text in hasty.pro)


def test_a_worker_that_was_young_in_an_old_server_refutes_nothing(tmp_path: Path):
    """The probe counts from the container's start; and where that is not known, nothing is refuted."""
    served(tmp_path, AT - 3600)
    old = tell(replace(read(tmp_path), probes=(Probe.parse("10,30,15"),)))
    (tmp_path / "alone").mkdir()
    days_work(tmp_path / "alone")
    alone = tell(replace(read(tmp_path / "alone"), probes=(Probe.parse("10,30,15"),)))

    assert hypothesis(old, "probe").verdict == "open"
    assert hypothesis(alone, "probe").verdict == "open"
    assert any("is not known" in text for text in hypothesis(alone, "probe").con)


def test_a_failed_probe_against_settings_that_refute_it(tmp_path: Path):
    """Two things that cannot both be: it says so."""
    served(tmp_path, AT)
    (tmp_path / "events.log").write_text("2026-11-27T09:26:40Z kubelet: Liveness probe failed: dial tcp refused\n")
    story = tell(replace(read(tmp_path), probes=(Probe.parse("10,30,15"),)))
    chapter = next(chapter for chapter in story.chapters if chapter.incident.code == "BC505")
    probe = next(told for told in chapter.hypotheses if "probe" in told.name)

    assert probe.verdict == "unlikely"
    assert any("not the ones in force" in text for text in probe.con)


def test_a_failed_probe_before_the_death_speaks_for_it(tmp_path: Path):
    """The platform's line is quoted, with its place."""
    days_work(tmp_path)
    (tmp_path / "events.log").write_text("2026-11-27T09:26:40Z kubelet: Liveness probe failed: dial tcp refused\n")
    story = tell(read(tmp_path))
    chapter = next(chapter for chapter in story.chapters if chapter.incident.code == "BC505")
    probe = next(told for told in chapter.hypotheses if "probe" in told.name)

    assert probe.verdict == "likely"
    assert "events.log:1" in probe.pro[0]


@pytest.mark.parametrize("text", ["", "10", "10,30", "a,b,c", "10,0,3", "10,30,0", "10,30,1.5", "-1,3,3"])
def test_a_probe_that_is_none(text: str):
    """What to write instead."""
    with pytest.raises(BootcheckError, match="DELAY,PERIOD,FAILURES"):
        Probe.parse(text)


@pytest.mark.parametrize(
    ("peak", "cause", "verdict"),
    [
        (490, Cause.SIGKILL_EXTERNAL, "likely"),
        (60, Cause.SIGKILL_EXTERNAL, "unlikely"),
        (490, Cause.SIGTERM, "refuted"),
    ],
)
def test_memory_is_judged_by_the_peak_and_the_signal(tmp_path: Path, peak: int, cause: Cause, verdict: str):
    """Close to the limit, far from it, or with a signal that the kernel does not send."""
    item = report(cause, uptime=20.0)
    facts = {"bootcheck.process.memory.peak": peak << 20, "bootcheck.cgroup.memory.limit": 512 << 20}
    stored(tmp_path, replace(item, attributes={**item.attributes, **facts}))

    assert hypothesis(tell(read(tmp_path)), "memory").verdict == verdict


def test_who_sent_the_signal_decides_between_siblings_and_people(tmp_path: Path):
    """From the master, or from outside."""
    for origin, people, sibling in (("master", "unlikely", "likely"), ("outside", "likely", "refuted")):
        folder = tmp_path / origin
        folder.mkdir()
        stored(folder, report(Cause.SIGTERM, origin=origin, uptime=3.0, signal="SIGTERM"))
        story = tell(read(folder))

        assert hypothesis(story, "operator").verdict == people
        assert hypothesis(story, "sibling").verdict == sibling


def test_a_limit_that_is_used_up_is_nobodys_stop(tmp_path: Path):
    """The kernel sends SIGXCPU by itself: no probe, no operator, no sibling is thought of."""
    stored(tmp_path, report(Cause.SIGTERM, origin="outside", uptime=3.0, signal="SIGXCPU"))
    (chapter,) = tell(read(tmp_path)).chapters

    assert chapter.incident.cause_class == "resource-limit"
    assert [told.name for told in chapter.hypotheses] == [chapter.incident.summary]


def test_the_timeout_is_refuted_by_a_short_life(tmp_path: Path):
    """`timeout` is 120 s, they lived 56."""
    days_work(tmp_path)

    assert hypothesis(tell(read(tmp_path)), "timeout").verdict == "refuted"


def test_a_host_that_is_spared_speaks_for_the_host(tmp_path: Path):
    """All hosts have it: refuted."""
    days_work(tmp_path)
    assert hypothesis(tell(read(tmp_path)), "host").verdict == "refuted"
    stored(tmp_path, report(Cause.NONE, kind="boot", pid=77, at=AT, step=None, host="web-3"))

    spared = hypothesis(tell(read(tmp_path)), "host")
    assert (spared.verdict, "not on web-3" in spared.pro[0]) == ("open", True)


def test_a_vanished_process_is_in_timeline_and_chart(tmp_path: Path):
    """A journal without an end: no line and no report tells of the death, the analysis does."""
    journal(tmp_path, head(), entered("worker.boot"), entered("app.load", 2))
    story = tell(read(tmp_path))
    (span,) = story.spans

    assert span.cause == "vanished"
    assert any(moment.bad and "31" in moment.text for moment in story.entries)


def test_what_is_missing_is_said(tmp_path: Path):
    """Logs alone, no healthy boot, what could not be read."""
    (tmp_path / "g.log").write_text(
        "[2026-11-27 09:00:00 +0000] [1] [INFO] Starting gunicorn 23.0.0\n"
        "[2026-11-27 09:00:01 +0000] [9] [INFO] Booting worker with pid: 9\n"
        "[2026-11-27 09:01:00 +0000] [1] [ERROR] Worker (pid:9) was sent SIGSEGV!\n"
    )
    (tmp_path / "worker-1-1.jsonl").write_bytes(b"{broken\n")
    said = "\n".join(tell(read(tmp_path)).missing)

    assert "known from logs only" in said
    assert "No boot that became ready" in said
    assert "worker-1-1.jsonl" in said


def test_health_is_a_story_too(tmp_path: Path):
    """No incident, no advice."""
    stored(tmp_path, report(Cause.NONE, kind="boot", step=None))
    story = tell(read(tmp_path))

    assert story.summary[0].startswith("No incident")
    assert story.advice == ()


def test_an_analysis_without_a_history_is_told(tmp_path: Path):
    """Whoever renders it from Python may not have asked for one."""
    days_work(tmp_path)
    story = tell(analyze([str(tmp_path)]))

    assert len(story.chapters) == 1
    assert story.spans == ()


def test_the_history_keeps_to_what_is_asked_for(tmp_path: Path):
    """--host and --since hold for the timeline too."""
    days_work(tmp_path)
    wanted = Filter(hosts=("web-2",))
    story = tell(analyze([str(tmp_path)], wanted=wanted, history=History(wanted.covers)))

    assert {span.host for span in story.spans} == {"web-2"}
    assert {moment.host for moment in story.entries} == {"web-2"}


def test_ctrl_c_leaves_what_was_read(tmp_path: Path):
    """The first file counts, and the reader is told that the rest was not read."""
    stored(tmp_path, report(pid=1, at=AT), report(pid=2, at=AT + 9))
    begun: list[str] = []

    def interrupt(source: str, lines: int) -> None:
        begun.append(source)
        if len(begun) > 1:
            raise KeyboardInterrupt

    analysis = read(tmp_path, progress=interrupt)
    assert analysis.interrupted
    assert [incident.count for incident in analysis.incidents] == [1]
    assert any("broken off" in text for text in tell(analysis).missing)


def test_ctrl_c_in_the_middle_of_a_log(tmp_path: Path):
    """What the log had told by then counts, and its lines are counted."""
    line = "[2026-11-27 09:00:00 +0000] [1] [ERROR] Worker (pid:9) was sent SIGSEGV!\n"
    (tmp_path / "g.log").write_text(line + '"GET / HTTP/1.1" 200\n' * 100_000)

    def interrupt(source: str, lines: int) -> None:
        if lines:
            raise KeyboardInterrupt

    analysis = read(tmp_path, progress=interrupt)
    assert [incident.cause for incident in analysis.incidents] == ["native_crash"]
    assert 0 < analysis.inputs.lines < 100_000
