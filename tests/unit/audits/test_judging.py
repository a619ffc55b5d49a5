"""What the audits make of what the probes saw: a warning where workers share or lack it, information elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bootcheck.audits import AUDITS, judge
from bootcheck.model.codes import CODES
from bootcheck.model.finding import Finding, Severity

THREAD = {
    "ident": 1,
    "kind": "thread",
    "name": "beat",
    "module": "shop.jobs",
    "function": "beat",
    "file": "/srv/shop/jobs.py",
    "line": 12,
    "owner": None,
    "known": True,
    "revived": False,
}
NATIVE = {"names": ["driver-io"], "libgomp": None, "openblas": 0}
SEEN: dict[str, Any] = {
    "BC205": {"threads": [THREAD]},
    "BC206": {"native": NATIVE},
    "BC207": {"native": {"names": ["", ""], "libgomp": "/usr/lib/libgomp.so.1", "openblas": 0}},
    "BC208": {"locks": [{"name": "shop.LOCK", "kind": "Lock", "holder": None, "thread": None}]},
    "BC209": {"threads": [{**THREAD, "kind": "executor", "owner": "concurrent.futures.thread.ThreadPoolExecutor"}]},
    "BC223": {"threads": [{**THREAD, "kind": "scheduler", "owner": "apscheduler.schedulers.BackgroundScheduler"}]},
    "BC224": {"loops": [{"type": "asyncio.EventLoop", "holder": "shop.LOOP", "thread": None}]},
    "BC225": {"temporary": [{"path": "/tmp/x", "kind": "TemporaryDirectory"}]},
    "BC226": {"exit_handlers": {"count": 2, "modules": ["shop"]}},
    "BC227": {"random": [{"name": "shop.RNG", "type": "numpy.Generator", "used": "the app keeps it", "thing": None}]},
    "BC228": {"cuda": "torch.cuda is initialised"},
    "BC229": {"heap": {"objects": 300_000, "bytes": 50 << 20}},
}
ALWAYS_INFO = {"BC226", "BC229"}


def one(seen: dict[str, Any], workers: int = 2) -> Finding:
    """Return the one finding."""
    (finding,) = judge(seen, workers)
    return finding


@pytest.mark.parametrize("code", sorted(SEEN))
def test_each_kind_is_told_with_its_code_evidence_and_what_to_do(code):
    """A warning with two workers, information with one."""
    finding = one(SEEN[code])

    assert finding.code == code
    assert finding.evidence
    assert finding.action
    assert finding.severity is (Severity.INFO if code in ALWAYS_INFO else Severity.WARNING)
    assert Finding.from_dict(json.loads(json.dumps(finding.as_dict()))) == finding
    alone = judge(SEEN[code], 1)
    assert all(told.severity is Severity.INFO for told in alone)
    assert bool(alone) == (code != "BC229"), "one worker shares no pages with another"


def test_every_code_of_the_audits_is_made_here():
    """What the pages speak of can come."""
    ours = {code for code in CODES if "BC205" <= code <= "BC209" or "BC223" <= code <= "BC229"}
    assert ours == set(SEEN)
    assert len(AUDITS) == len(set(AUDITS))


def test_nothing_seen_is_nothing_said():
    """No probe, no finding."""
    assert judge({}, 2) == []
    assert judge({"threads": [], "native": None, "heap": None}, 2) == []


@pytest.mark.parametrize(
    "more",
    [
        {"revived": True},
        {"owner": "gunicorn.ctl.server.ControlServer"},
        {"module": "gunicorn.ctl.server"},
        {"module": "pydevd"},
        {"module": "psycopg_pool.pool"},
        {"owner": "pymongo.periodic_executor.PeriodicExecutor"},
    ],
)
def test_threads_that_are_no_loss_are_not_spoken_of(more):
    """Their owner starts them again, or they belong to the server or a debugger."""
    assert judge({"threads": [{**THREAD, **more}]}, 2) == []


def test_a_server_of_metrics_in_the_master_is_right_where_workers_share_their_files(monkeypatch):
    """With PROMETHEUS_MULTIPROC_DIR it speaks for all of them; without, for none."""
    server = {**THREAD, "owner": "prometheus_client.exposition.TmpServer"}
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    assert one({"threads": [server]}).code == "BC205"
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/tmp/metrics")
    assert judge({"threads": [server]}, 2) == []


def test_openblas_threads_and_jemallocs_are_no_alarm():
    """They look after forks themselves; what is left over is told."""
    names = ["", "", "jemalloc_bg_thd"]
    assert judge({"native": {**NATIVE, "names": names, "openblas": 2}}, 2) == []
    assert judge({"native": {"names": names, "libgomp": "/libgomp.so.1", "openblas": 2}}, 2) == []
    assert "1 thread" in one({"native": {**NATIVE, "names": names, "openblas": 1}}).summary


def test_a_loop_that_nobody_holds_is_garbage():
    """It waits for the collector."""
    assert judge({"loops": [{"type": "asyncio.EventLoop", "holder": None, "thread": None}]}, 2) == []


def test_random_numbers_are_a_warning_only_where_they_are_used_and_not_seeded_anew():
    """An app that merely imports numpy, or arms with reseed=True, is informed."""
    unused = {"name": "numpy.random", "type": "RandomState", "used": None, "thing": None}
    assert one({"random": [unused]}).severity is Severity.INFO
    assert one({**SEEN["BC227"], "reseed": True}).severity is Severity.INFO
    assert "anew" in one({**SEEN["BC227"], "reseed": True}).summary


def test_many_threads_are_one_finding():
    """With the first ten as evidence."""
    finding = one({"threads": [{**THREAD, "name": f"t{n}"} for n in range(30)]})

    assert "30 threads" in finding.summary
    assert len(finding.evidence) == 10
