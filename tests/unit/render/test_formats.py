"""JSON, GitHub annotations and JUnit: what tools read."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from bootcheck.analysis.incidents import Analysis, Incident, Inputs
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.render import RENDERERS, Checked, Style, github, junit, renderer
from bootcheck.render import json as as_json

NASTY = 'a <tag> & "quotes"\n100% \x1b\x00 done, e: \ufffe'
INCIDENT = Incident(
    id="x", code="BC501", cause="exception", cause_class="app-exception", summary=NASTY, action=("Do, this: now",),
    evidence=(Evidence(source="src/app,py", line=12, text="ValueError"),), count=3,
)  # fmt: skip
ANALYSIS = Analysis(incidents=(INCIDENT,), inputs=Inputs(files=1))
CHECKED = [
    Checked(
        name="env",
        subject="SECRET_KEY",
        findings=(Finding(code="BC101", summary=NASTY, action=("Set it.",)),),
        duration_ms=12.5,
    ),
    Checked(name="pool", findings=(Finding(code="BC221", summary="off", severity=Severity.WARNING),)),
    Checked(name="initialise", skipped="only a server does"),
    Checked(name="disk", findings=(Finding(code="BC401", summary="half full", severity=Severity.INFO),)),
]


def test_json_of_incidents_is_the_contracts_object():
    """Parsed back it is what the analysis says of itself."""
    assert json.loads("\n".join(as_json.incidents(ANALYSIS, Style()))) == ANALYSIS.as_dict()


def test_json_of_findings():
    """Every check, with what it found and why it was not asked."""
    found = json.loads("\n".join(as_json.findings(CHECKED, Style())))

    assert found["schema_version"] == 1
    assert [check["name"] for check in found["checks"]] == ["env", "pool", "initialise", "disk"]
    assert found["checks"][0]["findings"][0]["code"] == "BC101"
    assert found["checks"][2]["skipped"] == "only a server does"


def test_a_github_annotation_is_one_line():
    """Whatever the text holds, the command cannot be broken out of."""
    (line,) = github.incidents(ANALYSIS, Style())

    assert line.startswith("::error file=src/app%2Cpy,line=12,title=BC501 boot-exception::")
    assert "\n" not in line
    assert "100%25" in line
    assert "(3 times)" in line
    assert line.endswith("%0ABC501".replace("BC501", "bootcheck explain BC501"))


def test_github_annotations_of_findings():
    """An error, a warning, a notice; nothing for a check that was not asked."""
    commands = [line.split(" ")[0] for line in github.findings(CHECKED, Style())]

    assert commands == ["::error", "::warning", "::notice"]


def test_junit_of_incidents_is_xml():
    """A failed case per incident."""
    suite = ET.fromstring("\n".join(junit.incidents(ANALYSIS, Style())))

    assert suite.attrib["failures"] == "1"
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.attrib["type"] == "BC501"
    assert "src/app,py:12: ValueError" in (failure.text or "")


def test_junit_of_health():
    """A suite without any case would be an error for some readers."""
    suite = ET.fromstring("\n".join(junit.incidents(Analysis(), Style())))

    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("1", "0")


def test_junit_of_findings():
    """Failed, passed with a warning in its output, skipped with the reason, passed."""
    suite = ET.fromstring("\n".join(junit.findings(CHECKED, Style())))
    env, pool, initialise, disk = suite.findall("testcase")

    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["skipped"]) == ("4", "1", "1")
    assert env.attrib["time"] == "0.013" or env.attrib["time"] == "0.012"
    assert env.find("failure") is not None
    assert pool.find("failure") is None
    assert pool.find("system-out") is not None
    skipped = initialise.find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "only a server does"
    assert disk.find("failure") is None


@pytest.mark.parametrize("name", RENDERERS)
def test_every_format_renders_both(name: str):
    """And nothing at all."""
    module = renderer(name)

    for analysis in (ANALYSIS, Analysis()):
        assert all(isinstance(line, str) for line in module.incidents(analysis, Style()))
    for checked in (CHECKED, []):
        assert all(isinstance(line, str) for line in module.findings(checked, Style()))


def test_an_unknown_format_is_named_with_the_known_ones():
    """For who calls it from Python."""
    with pytest.raises(KeyError, match="text, json, markdown, html, github, junit, sarif"):
        renderer("yaml")
