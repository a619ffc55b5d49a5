"""What was going on when a worker died: put together from memory, resource usage and the fault dump."""

from __future__ import annotations

import logging
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bootcheck.gunicorn import circumstances
from bootcheck.gunicorn.verdict import Death, cause_of, verdict_of
from bootcheck.gunicorn.witness import TimedImports, Witness
from bootcheck.model import journal
from bootcheck.model.boot import Boot
from bootcheck.model.redactor import Redactor
from bootcheck.probes import black_box
from bootcheck.recorder import Recorder
from bootcheck.sinks.directory import ReportDirectory
from bootcheck.sinks.memory import Memory

FAULT = """Fatal Python error: Segmentation fault

Thread 0x00000001 (most recent call first):
  File "/v/site-packages/other/x.py", line 1 in wait

Current thread 0x00000002 (most recent call first):
  File "/v/site-packages/fastmath/__init__.py", line 3 in predict

Extension modules: fastmath._core (total: 1)
"""


@pytest.fixture
def master(tmp_path: Path) -> Any:
    """As much of a master as is asked."""
    return SimpleNamespace(
        directory=ReportDirectory({"BOOTCHECK_DIR": str(tmp_path / "reports")}),
        redactor=Redactor({"API_SECRET": "swordfish-0815"}),
        environ={"OMP_NUM_THREADS": "1", "MKL_DEBUG_X": "swordfish-0815"},
        arbiter=None,
        receiver=SimpleNamespace(lives=None),
    )


@pytest.fixture
def child() -> Any:
    """As much of a child as is asked."""
    return SimpleNamespace(box=bytearray(black_box.SIZE), last_seen={})


def death(status: int = 9, *, ready: bool = True, fault: str = "") -> Death:
    """Return a death; the checkpoints say nothing."""
    return Death(
        boot=Boot(head={"role": "worker", "pid": 7, "at": 1.0}, ready_at=2.0 if ready else None),
        status=status,
        fault=fault,
    )


def known(master: Any, child: Any, item: Death) -> dict[str, Any]:
    """Return what is learned of a death."""
    usage = SimpleNamespace(ru_utime=1.0, ru_stime=0.25)
    return circumstances.of_child(master, child, item, usage).extra


def test_nothing_known_is_said_to_be_unknown(master, child):
    """Null, not an empty list: nobody watched this class of worker."""
    found = known(master, child, death())
    assert (found["bootcheck.requests"], found["bootcheck.requests.count"]) == (None, None)
    assert found["process.thread.count"] is None
    assert found["process.unix.file_descriptor.count"] is None
    assert found["bootcheck.log"] == []
    assert found["process.cpu.time"] == 1.25


def test_before_ready_there_was_no_request(master, child):
    """That is known."""
    found = known(master, child, death(ready=False))
    assert (found["bootcheck.requests"], found["bootcheck.requests.count"]) == ([], 0)
    assert found["bootcheck.importing"] == []


def test_without_shared_memory_requests_and_log_are_unknown(master, child):
    """The system had none to give."""
    child.box = None
    found = known(master, child, death())
    assert (found["bootcheck.requests"], found["bootcheck.log"]) == (None, None)


def test_an_ordered_end_costs_nothing(master, child):
    """It has no report that could say more."""
    assert known(master, child, death(status=0)) == {}


def test_a_broken_part_costs_that_part_only(master, child, capfd):
    """The other parts are there all the same."""
    child.box = bytearray(3)
    found = known(master, child, death())
    assert found["process.cpu.time"] == 1.25
    assert "bootcheck.requests" not in found
    assert "bootcheck:" in capfd.readouterr().err


def test_what_the_witness_notes_is_read(master, child):
    """Requests, log lines without secrets; one request also under OpenTelemetry's names."""
    before = logging.getLogRecordFactory()
    witness = Witness(child.box)
    try:
        witness.begin()
        worker = SimpleNamespace(asgi=None)
        worker.handle_request = None
        witness.ready(Recorder())
        witness.around_app(len)._requests.begin(b"GET /a/swordfish-0815?q=1")
        logging.getLogger("shop").warning("key %s", "swordfish-0815")
        logging.getLogger("shop").warning("x " * 200)
        logging.getLogger("shop").warning("%s%s", "y " * 280, "swordfish-0815 " * 10)
    finally:
        logging.setLogRecordFactory(before)
    found = known(master, child, death())
    assert (found["http.request.method"], found["url.path"]) == ("GET", "/a/***")
    texts = [line["text"] for line in found["bootcheck.log"]]
    assert texts[0] == "key ***"
    assert texts[1].endswith("…")
    assert len(texts[1]) == 301
    assert "sword" not in texts[2]
    assert found["bootcheck.log"][0]["level"] == "WARNING"


def test_the_masters_last_look_and_the_fault_dump_count_threads(master, child):
    """Each says where its number is from."""
    found = known(master, child, death(status=11, fault=FAULT))
    assert found["process.thread.count"] == 2
    assert "fault dump" in found["bootcheck.process.seen"]
    child.last_seen = {"process.thread.count": 5, "process.memory.usage": 7}
    found = known(master, child, death(status=11, fault=FAULT))
    assert (found["process.thread.count"], found["process.memory.usage"]) == (5, 7)
    assert "last signal" in found["bootcheck.process.seen"]


def test_a_native_death_names_its_suspect(master, child):
    """In the attributes, as evidence and as the first action; variables are masked."""
    item = death(status=11, fault=FAULT)
    found = known(master, child, item)
    assert found["bootcheck.native.suspects"][0]["package"] == "fastmath"
    assert found["bootcheck.native.variables"] == {"MKL_DEBUG_X": "***", "OMP_NUM_THREADS": "1"}
    cause = cause_of(item)
    assert cause is not None
    verdict = circumstances.argue(verdict_of(item, cause, None), found)
    assert "fastmath" in verdict.action[0]
    assert any("suspect fastmath" in evidence.text for evidence in verdict.evidence)


def test_a_native_death_without_a_dump_knows_no_modules(master, child):
    """Null where faulthandler wrote nothing, empty where it wrote of none."""
    assert known(master, child, death(status=11))["bootcheck.native.modules"] is None
    dump = "Fatal Python error: Aborted\n\nCurrent thread 0x01 (most recent call first):\n"
    assert known(master, child, death(status=6, fault=dump))["bootcheck.native.modules"] == []


def test_other_deaths_say_nothing_of_native_code(master, child):
    """Library lists are for native deaths only."""
    assert not any(name.startswith("bootcheck.native") for name in known(master, child, death()))


def test_the_verdict_names_the_request_and_the_import():
    """In the summary the oldest request, in the evidence up to three."""
    item = death()
    cause = cause_of(item)
    assert cause is not None
    plain = verdict_of(item, cause, None)
    serving = [{"method": "GET", "path": f"/{number}", "running_s": 1.5} for number in range(5)]
    verdict = circumstances.argue(
        plain,
        {
            "bootcheck.requests": serving,
            "bootcheck.requests.count": 9,
            "bootcheck.importing": [{"module": "app"}, {"module": "torch"}],
            "bootcheck.native.duplicates": [{"name": "libgomp", "paths": ["/a", "/b"]}],
        },
    )
    assert verdict.summary.endswith("It was serving GET /0 and 8 more.")
    texts = [evidence.text for evidence in verdict.evidence]
    assert sum("it was serving" in text for text in texts) == 3
    assert "it was importing app > torch" in texts
    assert "more than one copy of libgomp: /a, /b" in texts
    assert circumstances.argue(plain, {}) == plain


def test_the_imports_of_a_block_are_journaled(tmp_path, monkeypatch):
    """Where anything was slow."""
    (tmp_path / "bc_slow_block.py").write_text("import time\ntime.sleep(0.02)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    sink = Memory()
    with TimedImports(Recorder([sink])):
        import bc_slow_block  # noqa: F401
    with TimedImports(Recorder([sink])):
        pass
    assert "exec_module" not in vars(SourceFileLoader)
    told = [record for record in sink.records if record["t"] == journal.IMPORTS]
    assert len(told) == 1
    assert told[0]["imports"][0]["module"] == "bc_slow_block"
