"""One report on a screen, for `bootcheck show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bootcheck.analysis.quoting import quoted
from bootcheck.model.finding import Evidence, Finding
from bootcheck.render import Style, snapshot
from bootcheck.render.text import dicts, finding_lines, paragraph, plain, request_line, seconds_of, section, stack_lines

MAX_CHECKPOINTS = 15
MAX_FRAMES = 12
MAX_TRACEBACK = 25
MAX_STACKS = 3
MAX_REQUESTS = 8
MAX_LOG = 10
MAX_IMPORTS = 5


def lines(document: Mapping[str, Any], source: str, style: Style) -> Iterator[str]:
    """Yield a report readably: verdict, evidence, where it stood, what to do."""
    verdict = _mapping(document.get("verdict"))
    attributes = _mapping(document.get("attributes"))
    yield from _conclusion(document, verdict, attributes, source, style)
    yield from _findings(document, style)
    yield from _traceback(attributes)
    yield from _threads(attributes)
    yield from stack_lines(dicts(document.get("stacks")), most=MAX_STACKS, frames=MAX_FRAMES)
    yield from _log(dicts(attributes.get("bootcheck.log")))
    yield from _imports(dicts(attributes.get("bootcheck.imports")))
    yield from _checkpoints(document)


def _conclusion(
    document: Mapping[str, Any], verdict: Mapping[str, Any], attributes: Mapping[str, Any], source: str, style: Style
) -> Iterator[str]:
    yield from paragraph(quoted(str(verdict.get("summary") or "This report has no summary.")), style, bold=True)
    yield ""
    code = verdict.get("code")
    what = (
        f"{code + ' ' if isinstance(code, str) else ''}cause {verdict.get('cause')}, confidence "
        f"{verdict.get('confidence')}"
    )
    yield from section("What", [what], style)
    yield from section("When", [str(document.get("timestamp") or "unknown")], style)
    yield from section("Who", [_who(document, attributes)], style)
    yield from section("Step", [str(document["step"])] if document.get("step") else [], style)
    yield from section("Requests", _requests(attributes), style)
    yield from section("Used", _used(attributes), style)
    yield from section("Before", _lives(_mapping(attributes.get("bootcheck.previous_lives"))), style)
    yield from section("Evidence", [_fact(item) for item in dicts(verdict.get("evidence"))], style)
    yield from section("Against", _texts(verdict.get("against")), style)
    yield from section("Missing", _texts(verdict.get("missing")), style)
    yield from section("What to do", _texts(verdict.get("action")), style)
    yield from section("Confirm", [quoted(str(verdict["confirm"]))] if verdict.get("confirm") else [], style)
    told = [f"{name}={value}" for name, value in _mapping(document.get("annotations")).items()]
    yield from section("Tags", [quoted(" ".join(told))] if told else [], style)
    yield from section("Report", [source], style, wrap=False)
    if isinstance(code, str):
        yield from section("More", [f"bootcheck explain {code}"], style)


def _threads(attributes: Mapping[str, Any]) -> Iterator[str]:
    """Of a snapshot: the threads, the busiest first."""
    if isinstance(attributes.get("bootcheck.threads"), list):
        yield ""
        yield from snapshot.threads(attributes)


def _who(document: Mapping[str, Any], attributes: Mapping[str, Any]) -> str:
    parts = [f"{document.get('role')} {attributes.get('process.pid')}"]
    if attributes.get("host.name"):
        parts.append(f"on {attributes['host.name']}")
    uptime = attributes.get("bootcheck.worker.uptime_s")
    if isinstance(uptime, (int, float)):
        parts.append(f"after {uptime:.1f} s")
    if attributes.get("bootcheck.gunicorn.version"):
        parts.append(f"under Gunicorn {attributes['bootcheck.gunicorn.version']}")
    return " ".join(parts)


def _findings(document: Mapping[str, Any], style: Style) -> Iterator[str]:
    for number, item in enumerate(dicts(document.get("findings")), 1):
        try:
            finding = Finding.from_dict(item)
        except (KeyError, ValueError, TypeError):
            continue
        yield ""
        yield from finding_lines(finding, style, f"{number}. ")


def _traceback(attributes: Mapping[str, Any]) -> Iterator[str]:
    trace = attributes.get("exception.stacktrace")
    if not isinstance(trace, str) or not trace.strip():
        return
    told = quoted(trace, limit=100_000).splitlines()
    yield ""
    yield "Traceback" + (f" (the last {MAX_TRACEBACK} of {len(told)} lines)" if len(told) > MAX_TRACEBACK else "")
    for line in told[-MAX_TRACEBACK:]:
        yield f"  {line}"


def _requests(attributes: Mapping[str, Any]) -> list[str]:
    """Return a line per request that was in flight; also that none was, or that nobody knows."""
    if "bootcheck.requests" not in attributes or not attributes.get("bootcheck.ready"):
        return []
    count = attributes.get("bootcheck.requests.count")
    told = [request_line(item) for item in dicts(attributes["bootcheck.requests"])[:MAX_REQUESTS]]
    if not told:
        return ["none in flight" if count == 0 else "unknown"]
    if isinstance(count, int) and count > len(told):
        told.append(f"and {count - len(told)} more")
    return told


def _used(attributes: Mapping[str, Any]) -> list[str]:
    peak, limit = attributes.get("bootcheck.process.memory.peak"), attributes.get("bootcheck.cgroup.memory.limit")
    told = []
    if isinstance(peak, int):
        told.append(f"{peak >> 20} MB of memory at most" + (f" of {limit >> 20}" if isinstance(limit, int) else ""))
    for name, what in (("thread.count", "threads"), ("unix.file_descriptor.count", "descriptors")):
        number = attributes.get(f"process.{name}")
        if isinstance(number, int):
            told.append(f"{number} {what}")
    if isinstance(attributes.get("process.cpu.time"), (int, float)):
        told.append(f"{attributes['process.cpu.time']:.1f} s of CPU")
    return [", ".join(told)] if told else []


def _lives(lives: Mapping[str, Any]) -> list[str]:
    """Return one line about the workers that ended before this one, where there were any."""
    earlier = _mapping(lives.get("earlier_starts"))
    last = [*dicts(earlier.get("last")), *dicts(lives.get("last"))][-3:]
    if not last:
        return []
    told = "; ".join(f"{life.get('cause')} after {seconds_of(life.get('uptime_s'))}" for life in last)
    here, before = lives.get("ended"), earlier.get("deaths")
    return [quoted(f"{here} workers of this master ended, {before} deaths are known of earlier starts; last: {told}")]


def _log(log: list[Mapping[str, Any]]) -> Iterator[str]:
    if log:
        yield ""
        yield f"Its last log lines (the last {min(len(log), MAX_LOG)} of {len(log)})"
    for line in log[-MAX_LOG:]:
        said = f"{str(line.get('at'))[11:23]} {line.get('level')!s:8} {line.get('logger')}: {line.get('text')}"
        yield "  " + plain(quoted(said).replace("\n", " | "))


def _imports(imports: list[Mapping[str, Any]]) -> Iterator[str]:
    if imports:
        yield ""
        yield "Slowest imports, each without what it imports itself"
    for item in imports[:MAX_IMPORTS]:
        yield plain(f"  {item.get('self_ms')!s:>9} ms  {item.get('module')}")


def _checkpoints(document: Mapping[str, Any]) -> Iterator[str]:
    checkpoints = dicts(document.get("checkpoints"))
    if not checkpoints:
        return
    last = checkpoints[-MAX_CHECKPOINTS:]
    yield ""
    yield f"Checkpoints (the last {len(last)} of {len(checkpoints)})"
    for item in last:
        duration = item.get("duration_ms")
        rss = item.get("rss_bytes")
        took = f" {duration:.1f} ms" if isinstance(duration, (int, float)) else ""
        memory = f" {rss / 1048576:.1f} MB" if isinstance(rss, (int, float)) else ""
        yield plain(f"  {str(item.get('at'))[11:23]} {item.get('outcome')!s:8} {item.get('name')}{took}{memory}")


def _fact(item: Mapping[str, Any]) -> str:
    fact = Evidence.from_dict(item)
    place = fact.source if fact.line is None else f"{fact.source}:{fact.line}"
    return quoted(f"{place}: {fact.text}" if place else fact.text)


def _texts(value: object) -> list[str]:
    return [quoted(str(item)) for item in value] if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
