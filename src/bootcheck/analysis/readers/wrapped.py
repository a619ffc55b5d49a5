"""Log lines that travel inside a JSON object: docker, journald, fluentd, cloud exports, JSON loggers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bootcheck.analysis.readers.folded import unescaped
from bootcheck.analysis.readers.prefixes import LOGGER, Record, clean, epoch, is_gunicorns, record_of
from bootcheck.analysis.readers.values import parsed

_AZURE = ("Log", "Log_s", "ResultDescription", "LogMessage", "LogEntry")
"""Azure's columns for a line as it was printed: Container Apps, App Service, Kubernetes."""
_WHOLE_OR_PART = ("F ", "P ")
"""What Container Apps leaves of the container runtime's own prefix."""
_TEXT = ("log", "message", "@message", "MESSAGE", "msg", "event", "textPayload", "text", "body", "line", *_AZURE)
_NESTED = ("jsonPayload", "data", "record", "fields", "_source", "result")
_LEVEL = ("levelname", "level", "severity", "log.level", "levelName", "log_level")
_TIME = (
    "time",
    "timestamp",
    "@timestamp",
    "asctime",
    "ts",
    "__REALTIME_TIMESTAMP",
    "datetime",
    "created",
    "ingestionTime",
    "TimeStamp",
    "TimeGenerated",
)
_PID = ("process", "pid", "process_id", "_PID", "process.pid", "processId")
_TRACE = (
    "exc_info",
    "exception",
    "traceback",
    "stack_trace",
    "exc_text",
    "stacktrace",
    "error.stack_trace",
    "stack",
    "exceptions",
)
_HOST = ("host", "hostname", "_HOSTNAME", "host.name")
_STREAM = ("SYSLOG_IDENTIFIER", "container_name", "kubernetes.pod_name", "logStreamName", "logStream", "pod", "service")
_LOGGER = ("levelname", "logger", "logger_name", "log.logger", "lineno", "funcName")
"""Keys that a Python logger writes, and no platform."""
_LEVELS = {"30": "INFO", "40": "WARNING", "50": "ERROR", "WARN": "WARNING", "FATAL": "CRITICAL"}
MAX_TEXT = 1 << 16
MAX_TEXT_LINES = 2_000
_CONTINUES = re.compile(
    r"\s|$|Traceback \(most|During handling of the above|The above exception was|"
    r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Configured)(?::|$)"
)
"""A line of a traceback that was wrapped line by line, each with a level of its own."""


def records_in(line: bytes, source: str, number: int) -> list[Record]:
    """Return the log lines of one line of a file: those of its JSON object, or the line itself."""
    value = parsed(line) if line[:1] == b"{" else None
    if isinstance(value, dict):
        return list(records_of(value, source, number))
    return [record_of(unescaped(line[:MAX_TEXT].decode("utf-8", "replace")), source, number)]


def records_of(wrapper: Mapping[str, Any], source: str, line: int) -> Iterator[Record]:
    """Yield the log lines of one JSON object; none where it is no log line."""
    inner = next((wrapper[key] for key in _NESTED if isinstance(wrapper.get(key), dict)), None)
    text = _first_text(wrapper, _TEXT)
    if text is None and inner is not None:
        wrapper = {**inner, **{key: value for key, value in wrapper.items() if key not in _NESTED}}
        text = _first_text(wrapper, _TEXT)
    if text is None:
        # The empty lines within a traceback are lines too.
        if not any(wrapper.get(key) == "" for key in _TEXT):
            return
        text = ""
    if "Log" in wrapper and text[:2] in _WHOLE_OR_PART:
        text = text[2:]
    carrier = _is_carrier(wrapper) or is_gunicorns(text)
    for number, part in enumerate(text.splitlines()[:MAX_TEXT_LINES] or [""]):
        record = record_of(part, source, line) if carrier or number else Record(clean(part), source, line)
        _fill(record, wrapper)
        if not number and not carrier:
            record.headed = _CONTINUES.match(part) is None
        yield record
    trace = _first_text(wrapper, _TRACE)
    if trace is not None:
        for part in trace.splitlines()[:MAX_TEXT_LINES]:
            continued = Record(clean(part), source, line)
            _fill(continued, wrapper)
            yield continued


_PRINTED = ("log", "MESSAGE", "textPayload", *_AZURE)


def _is_carrier(wrapper: Mapping[str, Any]) -> bool:
    """Tell whether the text is a line as it was printed, and not a logger's message."""
    if any(key in wrapper for key in _PRINTED):
        return True
    return not any(key in wrapper for key in (*_LEVEL, *_TRACE, *_LOGGER, *_PID))


def _fill(record: Record, wrapper: Mapping[str, Any]) -> None:
    if record.at is None:
        record.at = next((at for key in _TIME if (at := _time(wrapper.get(key))) is not None), None)
    if record.pid is None:
        record.pid = next((pid for key in _PID if (pid := _number(wrapper.get(key))) is not None), None)
    if record.level is None:
        level = (_first_text(wrapper, _LEVEL) or "").upper()
        record.level = _LEVELS.get(level, level) or None
    if not record.voice and any(key in wrapper for key in _LOGGER):
        record.voice = LOGGER
    record.host = record.host or _first_text(wrapper, _HOST)
    record.stream = record.stream or _stream(wrapper)


def _stream(wrapper: Mapping[str, Any]) -> str:
    pod = wrapper.get("kubernetes")
    if isinstance(pod, dict):
        return str(pod.get("pod_name") or pod.get("pod") or "")
    return _first_text(wrapper, _STREAM) or ""


def _first_text(wrapper: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value = wrapper.get(key)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and key in ("level", "severity"):
            return str(value)
        if isinstance(value, list) and key in _TRACE and any(isinstance(item, dict) for item in value):
            return _printed(value)
        if isinstance(value, list) and key in _TRACE and value and all(isinstance(item, str) for item in value):
            return "\n".join(item.removesuffix("\n") for item in value)
    return None


def _printed(links: list[Any]) -> str:
    """Return an exception as Python prints it, from the fields that structlog makes of it: the last raised first."""
    told: list[str] = []
    for link in reversed([link for link in links if isinstance(link, dict)]):
        if told:
            told += ["", "The above exception was the direct cause of the following exception:", ""]
        told.append("Traceback (most recent call last):")
        frames = link.get("frames")
        for frame in frames if isinstance(frames, list) else []:
            if isinstance(frame, dict):
                told.append(f'  File "{frame.get("filename")}", line {frame.get("lineno")}, in {frame.get("name")}')
                told.append(f"    {frame.get('line') or '...'}")
        told.append(f"{link.get('exc_type')}: {link.get('exc_value')}")
    return "\n".join(told)


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 0 < value < 1 << 31 else None
    return int(value) if isinstance(value, str) and value.isdigit() and len(value) < 10 else None


def _time(value: object) -> float | None:
    if isinstance(value, str):
        if value.isdigit() and len(value) <= 19:
            value = int(value)
        else:
            return epoch(value.replace("T", " "))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # Seconds, or their thousandths, millionths or billionths: told apart by size.
    for unit in (1.0, 1e3, 1e6, 1e9):
        if 1e8 < value / unit < 1e10:
            return float(value / unit)
    return None
