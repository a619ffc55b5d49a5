"""SARIF 2.1.0: what the schema requires of the parts that we write (the schema itself is not ours to ship)."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from bootcheck.analysis.incidents import Analysis, Inputs
from bootcheck.render import Style, sarif
from tests.unit.render.test_formats import ANALYSIS, CHECKED

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LOCATION = {
    "properties": {
        "physicalLocation": {
            "required": ["artifactLocation"],
            "properties": {
                "artifactLocation": {"properties": {"uri": {"type": "string", "pattern": r"^[^\s\\<>\"]+$"}}},
                "region": {"properties": {"startLine": {"type": "integer", "minimum": 1}}},
            },
        }
    }
}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
RULE = {
    "required": ["id"],
    "properties": {"properties": {"properties": {"tags": {"type": "array", "uniqueItems": True}}}},
}
RESULT = {
    "required": ["message", "ruleId", "ruleIndex", "level"],
    "properties": {
        "level": LEVEL,
        "message": TEXT,
        "occurrenceCount": {"type": "integer", "minimum": 1},
        "locations": {"type": "array", "items": LOCATION, "maxItems": 10},
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
RUN = {
    "required": ["tool", "results"],
    "properties": {
        "tool": {
            "required": ["driver"],
            "properties": {
                "driver": {
                    "required": ["name", "rules"],
                    "properties": {"rules": {"type": "array", "uniqueItems": True, "items": RULE}},
                }
            },
        },
        "invocations": {
            "items": {
                "required": ["executionSuccessful"],
                "properties": {
                    "executionSuccessful": {"type": "boolean"},
                    "toolExecutionNotifications": {
                        "items": {"required": ["message"], "properties": {"level": LEVEL, "message": TEXT}}
                    },
                },
            }
        },
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "results": {"type": "array", "items": RESULT},
    },
}
SCHEMA = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {"$schema": {"type": "string"}, "version": {"const": "2.1.0"}, "runs": {"items": RUN}},
}


def log(lines: Any) -> dict[str, Any]:
    """Return the run of a log that fulfils what is required."""
    parsed = json.loads("\n".join(lines))
    jsonschema.validate(parsed, SCHEMA)
    (run,) = parsed["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
    return run


def test_an_incident_is_a_result_at_its_line():
    """With the fingerprint of the incident, and how often it came."""
    (result,) = log(sarif.incidents(ANALYSIS, Style()))["results"]

    assert (result["ruleId"], result["level"], result["occurrenceCount"]) == ("BC501", "error", 3)
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("src/app%2Cpy", 12)
    assert result["partialFingerprints"] == {"bootcheckIncident/v1": "x"}


def test_findings_are_results_with_their_severity():
    """A rule each, named once; a skipped check has none."""
    results = log(sarif.findings(CHECKED, Style()))["results"]

    assert [(result["ruleId"], result["level"]) for result in results] == [
        ("BC101", "error"),
        ("BC221", "warning"),
        ("BC401", "note"),
    ]
    assert len({result["partialFingerprints"]["bootcheckIncident/v1"] for result in results}) == 3


def test_what_could_not_be_read_is_a_notification():
    """And a run that could look at nothing was not successful."""
    inputs = Inputs(unreadable=[{"source": "x.log", "reason": "Permission denied"}], unreadable_count=1)
    (invocation,) = log(sarif.incidents(Analysis(inputs=inputs), Style()))["invocations"]

    assert not invocation["executionSuccessful"]
    assert "x.log" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_health_has_no_results():
    """And is successful."""
    run = log(sarif.incidents(Analysis(), Style()))

    assert run["results"] == []
    assert run["invocations"][0]["executionSuccessful"]
