"""Every signature recognises its mechanism and leaves alone what only looks like it."""

from __future__ import annotations

import dataclasses
import re

import pytest

from bootcheck.analysis import signatures
from bootcheck.analysis.classify import Diagnoser
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import CAUSE_CLASSES, Cause
from bootcheck.model.codes import CODES
from bootcheck.model.finding import Evidence
from bootcheck.render.pages import HEADINGS
from tests.unit.analysis.making import told
from tests.unit.analysis.signatures.examples import NEGATIVE, POSITIVE

NAMES = (*signatures.SIGNATURES, *signatures.GENERAL)
BY_CAUSE = {
    "boot_deadline": Cause.BOOT_DEADLINE,
    "killed_from_outside": Cause.SIGKILL_EXTERNAL,
    "vanished": Cause.VANISHED,
}
"""Causes that no line of plain Gunicorn tells: only a report or a journal does."""


def pairs(examples: dict[str, tuple[str, ...]]) -> list[object]:
    """Return (signature, text) for parametrize."""
    return [
        pytest.param(name, text, id=f"{name}-{number}")
        for name, texts in examples.items()
        for number, text in enumerate(texts)
    ]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the signatures that concluded something, in order."""
    concluded: list[str] = []
    original = Diagnoser._ask

    def ask(self, item, trouble):
        found = original(self, item, trouble)
        if found is not None:
            concluded.append(item.__name__.rpartition(".")[2])
        return found

    monkeypatch.setattr(Diagnoser, "_ask", ask)
    return concluded


@pytest.mark.parametrize(("name", "text"), pairs(POSITIVE))
def test_it_is_recognised(name: str, text: str, asked: list[str]):
    """The first incident is this signature's, in its class."""
    found = told(text)

    assert [incident.cause_class for incident in found.incidents] == [signatures.load(name).CAUSE_CLASS]
    assert name in asked


@pytest.mark.parametrize(("name", "text"), pairs(NEGATIVE))
def test_it_is_left_alone(name: str, text: str, asked: list[str]):
    """Something else is concluded, or nothing."""
    answered = {incident.cause_class for incident in told(text).incidents}

    assert name not in asked or signatures.load(name).CAUSE_CLASS not in answered


@pytest.mark.parametrize("name", BY_CAUSE)
def test_a_cause_that_only_reports_know(name: str):
    """It concludes from the cause alone and names the step."""
    trouble = Trouble(
        cause=BY_CAUSE[name], step="app.load", said=(Evidence(text="app.load had been entered and not left"),)
    )
    found = signatures.load(name).match(trouble)

    assert found is not None
    assert "app.load" in found.summary
    assert signatures.load(name).match(dataclasses.replace(trouble, cause=Cause.OOM)) is None


def test_every_signature_has_examples():
    """Positive ones (or a cause that only reports know) and negative ones."""
    assert [name for name in NAMES if not (POSITIVE[name] or name in BY_CAUSE)] == []
    assert [name for name in NAMES if not NEGATIVE[name]] == []


def test_every_signature_has_a_page():
    """The five headings in order, each with text, and every code that it explains by name."""
    for name in NAMES:
        module = signatures.load(name)
        page = module.__doc__ or ""
        places = [page.index(f"\n{heading}\n") for heading in HEADINGS]

        assert places == sorted(places), name
        assert all(re.search(rf"\n{heading}\n +\S", page) for heading in HEADINGS), name
        assert all(code in page and code in CODES for code in module.RULES), name
        assert module.CAUSE_CLASS in CAUSE_CLASSES, name


def test_every_class_has_a_signature():
    """Each cause class but `none` is somebody's answer."""
    answered = {signatures.load(name).CAUSE_CLASS for name in NAMES}

    assert answered == set(CAUSE_CLASSES) - {"none"}


def test_the_order_is_that_of_the_classes():
    """The first that fits wins, so signatures stand in the order of precedence; only races of starts rank by exception."""
    places = [CAUSE_CLASSES.index(signatures.load(name).CAUSE_CLASS) for name in signatures.SIGNATURES]

    assert places == sorted(places)


def test_every_file_is_listed():
    """A signature that no list names would never be asked."""
    from pathlib import Path

    folder = Path(signatures.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}

    assert files == set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if signatures.telltale(signatures.load(name)) is not None])
def test_a_telltale_line_passes_the_sieve(name: str):
    """Every example line that the pattern finds holds one of the words by which lines are sifted."""
    module = signatures.load(name)
    pattern = signatures.telltale(module)
    lines = [
        line for texts in POSITIVE.values() for text in texts for line in text.splitlines() if pattern.search(line)
    ]

    assert lines
    assert all(any(word in line for word in signatures.words(module)) for line in lines)


def test_a_signature_that_raises_is_said_and_passed_over():
    """The others still answer, and the complaint names it once."""
    said: list[str] = []
    diagnoser = Diagnoser(said.append)

    class Broken:
        CAUSE_CLASS = "launcher-error"
        RULES = ()
        __name__ = "bootcheck.analysis.signatures.broken"

        def match(self, trouble):
            msg = "by design"
            raise ZeroDivisionError(msg)

    diagnoser._specific.insert(0, Broken())
    for _ in range(2):
        found = diagnoser.diagnose(Trouble(cause=Cause.OOM))

        assert found is not None
        assert found.cause_class == "oom-kill"
    assert len(said) == 1
    assert "broken" in said[0]
    assert "ZeroDivisionError" in said[0]


def test_an_error_without_a_traceback_blames_nobody():
    """Gunicorn prints its own refusal and an app's RuntimeError alike."""
    (incident,) = told("\nError: the books are not in order\n").incidents

    assert "app raised" not in incident.summary
    assert incident.summary.startswith("Gunicorn gave up before it started a worker: the books")
    assert (incident.confidence, len(incident.against)) == ("low", 1)
