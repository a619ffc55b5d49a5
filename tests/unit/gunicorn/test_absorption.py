"""Records of the preflight child are taken over as if they were the master's own."""

from __future__ import annotations

from typing import Any

import pytest

from bootcheck.gunicorn.absorption import Absorption
from bootcheck.model.boot import Boot
from bootcheck.model.checkpoint import Phase
from bootcheck.recorder import Recorder
from bootcheck.sinks.memory import Memory


@pytest.fixture
def recorder(memory: Memory, said: list[str]) -> Recorder:
    """The master's."""
    return Recorder([memory], notify=said.append)


@pytest.fixture
def theirs() -> tuple[Memory, Recorder]:
    """The recorder of a preflight child."""
    kept = Memory()
    return kept, Recorder([kept])


def test_an_absorbed_step_is_open_while_its_child_is_in_it(
    recorder: Recorder, memory: Memory, theirs: tuple[Memory, Recorder]
):
    """A master that is stopped in the middle of a live check was in `check.database`."""
    kept, child = theirs
    absorption = Absorption(recorder)
    recorder.step("server.boot", Phase.SERVER).__enter__()
    step = child.step("check.database", Phase.DATABASE)
    step.__enter__()
    absorption.absorb(kept.records[-1])

    assert recorder.open_step == "check.database"
    step.__exit__(None, None, None)
    absorption.absorb(kept.records[-1])
    assert recorder.open_step == "server.boot"
    assert [span.name for span in Boot.from_records(memory.records).open_spans] == ["server.boot"]


def test_an_absorbed_outcome_whose_beginning_was_lost_closes_nothing_of_ours(
    recorder: Recorder, memory: Memory, theirs: tuple[Memory, Recorder]
):
    """Their number 1 is not our number 1."""
    kept, child = theirs
    absorption = Absorption(recorder)
    recorder.step("server.boot", Phase.SERVER).__enter__()
    with child.step("check.database"):
        pass
    absorption.absorb(kept.records[-1])

    assert Boot.from_records(memory.records).open_step == "server.boot"


def test_steps_of_an_ended_child_are_forgotten_on_demand(recorder: Recorder, theirs: tuple[Memory, Recorder]):
    """Whoever closes them asks for our numbers, once."""
    kept, child = theirs
    absorption = Absorption(recorder)
    child.step("check.database").__enter__()
    absorption.absorb(kept.records[-1])

    (seq,) = absorption.forget()
    assert seq == 1
    assert absorption.forget() == []
    assert recorder.open_step is None


@pytest.mark.parametrize("record", [{}, {"t": "checkpoint"}, {"t": "checkpoint", "seq": 1}])
def test_a_record_that_cannot_be_absorbed_is_said(recorder: Recorder, said: list[str], record: dict[str, Any]):
    """The preflight goes on."""
    Absorption(recorder).absorb(record)

    assert said == ["bootcheck: a record of the preflight was lost: KeyError"]
