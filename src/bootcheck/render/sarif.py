"""SARIF 2.1.0, for code scanning: a result per incident or finding, with a fingerprint that stays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bootcheck.analysis.quoting import template
from bootcheck.model.codes import CODES
from bootcheck.model.finding import Evidence, Severity
from bootcheck.render import Checked, Style
from bootcheck.render.json import dumped

if TYPE_CHECKING:
    from bootcheck.analysis.incidents import Analysis

HISTORY = "nothing"
VERSION = "2.1.0"
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_MAX_LOCATIONS = 10


def incidents(analysis: Analysis, style: Style) -> Iterator[str]:  # noqa: ARG001
    """Yield a log whose results are the incidents, at the lines that show them."""
    results = [
        _result(
            incident.code,
            "warning" if incident.cause == "none" else "error",
            (incident.summary, *incident.action),
            incident.evidence,
            incident.id,
            count=incident.count,
            properties={
                "cause": incident.cause,
                "cause_class": incident.cause_class,
                "confidence": incident.confidence,
                "first_seen": incident.first_seen,
                "last_seen": incident.last_seen,
            },
        )
        for incident in analysis.incidents
    ]
    unread = [
        {"level": "warning", "message": {"text": f"cannot read {item['source']}: {item['reason']}"}}
        for item in analysis.as_dict()["inputs"]["unreadable"]
    ]
    yield dumped(_log(results, unread, complete=analysis.exit_code != 2 and not analysis.interrupted))


def findings(checked: Sequence[Checked], style: Style) -> Iterator[str]:  # noqa: ARG001
    """Yield a log whose results are what checks found."""
    results = []
    for check in checked:
        for finding in check.findings:
            told = f"{check.name}\0{check.subject}\0{finding.code}\0{template(finding.summary)}"
            identity = hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:12]
            results.append(
                _result(
                    finding.code,
                    _LEVELS[finding.severity],
                    (finding.summary, *finding.action),
                    finding.evidence,
                    identity,
                    properties={"check": check.name, "subject": check.subject, "declared": finding.declared},
                )
            )
    yield dumped(_log(results, [], complete=True))


def _log(results: list[dict[str, Any]], unread: list[dict[str, Any]], *, complete: bool) -> dict[str, Any]:
    from bootcheck import __version__

    codes = list(dict.fromkeys(result["ruleId"] for result in results))
    for result in results:
        result["ruleIndex"] = codes.index(result["ruleId"])
    driver = {"name": "bootcheck", "semanticVersion": __version__, "rules": [_rule(code) for code in codes]}
    invocation: dict[str, Any] = {"executionSuccessful": complete}
    if unread:
        invocation["toolExecutionNotifications"] = unread
    return {
        "$schema": SCHEMA,
        "version": VERSION,
        "runs": [
            {
                "tool": {"driver": driver},
                "invocations": [invocation],
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }


def _rule(code: str) -> dict[str, Any]:
    rule = CODES.get(code)
    if rule is None:
        return {"id": code}
    return {
        "id": code,
        "name": "".join(part.capitalize() for part in rule.slug.split("-")),
        "shortDescription": {"text": rule.title},
        "help": {"text": f"bootcheck explain {code}"},
        "properties": {"tags": list(dict.fromkeys((rule.cause_class, rule.slug)))},
    }


def _result(  # noqa: PLR0913
    code: str,
    level: str,
    texts: Iterable[str],
    evidence: Sequence[Evidence],
    identity: str,
    *,
    count: int = 1,
    properties: dict[str, Any],
) -> dict[str, Any]:
    return {
        "ruleId": code,
        "level": level,
        "message": {"text": "\n".join(text for text in texts if text) or code},
        "locations": [_location(item) for item in evidence if item.source and item.line is not None and item.line > 0][
            :_MAX_LOCATIONS
        ],
        "partialFingerprints": {"bootcheckIncident/v1": identity},
        "occurrenceCount": max(1, count),
        "properties": {
            **{name: value for name, value in properties.items() if value is not None},
            "evidence": [item.as_dict() for item in evidence],
        },
    }


def _location(item: Evidence) -> dict[str, Any]:
    path = PurePath(item.source)
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    return {
        "physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": item.line}},
        "message": {"text": item.text},
    }
