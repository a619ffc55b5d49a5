"""One look at a living process on a screen, for `bootcheck dump` and `bootcheck show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bootcheck.analysis.quoting import quoted
from bootcheck.model.snapshot import title
from bootcheck.render import Style
from bootcheck.render.text import paragraph, plain, request_line, section, stack_lines

MAX_LINES = 20
MAX_FRAMES = 15
MAX_STACKS = 12


def lines(look: Mapping[str, Any], style: Style) -> Iterator[str]:
    """Yield what asking one process came to."""
    if look["report"] is not None:
        yield from of_report(look["report"], look["path"], style)
    elif look["seen"]:
        yield from _outside(look["pid"], look["seen"], style)


def of_report(report: Mapping[str, Any], source: str | None, style: Style) -> Iterator[str]:
    """Yield a snapshot report readably: what it does, thread by thread, then the stacks."""
    verdict = report["verdict"]
    attributes = report["attributes"]
    yield from paragraph(quoted(verdict["summary"]), style, bold=True)
    yield ""
    yield from section("Who", [_who(report, attributes)], style)
    yield from section("Uses", [_uses(attributes)], style)
    yield from section("Step", [report["step"]] if report["step"] else [], style)
    yield from section("Requests", [request_line(one) for one in attributes.get("bootcheck.requests", ())], style)
    told = [f"{name}={value}" for name, value in report["annotations"].items()]
    yield from section("Tags", [quoted(" ".join(told))] if told else [], style)
    yield from section("Missing", verdict["missing"], style)
    yield from section("What to do", verdict["action"], style)
    yield from section("Report", [source] if source else [], style, wrap=False)
    yield ""
    yield from threads(attributes)
    yield from stack_lines(report["stacks"], most=MAX_STACKS, frames=MAX_FRAMES)


def threads(attributes: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of threads, the busiest first."""
    interval = attributes.get("bootcheck.snapshot.cpu_interval_s")
    found = attributes.get("bootcheck.threads") or []
    over = f", CPU over {interval:.1f} s" if interval else ""
    yield f"Threads ({len(found)}{over})"
    for thread in found[:MAX_LINES]:
        percent = thread.get("cpu_percent")
        share = f"{percent:5.1f} %" if percent is not None else f"{thread.get('cpu_s', 0.0):6.1f} s"
        waited = (thread.get("wanted_percent") or 0.0) - (percent or 0.0)
        share += f" (+{waited:.0f} % waiting for a CPU)" if waited >= 10 else ""
        where = thread.get("place") or ("runs no Python" if thread.get("native") else "")
        yield plain(f"  {share} {thread.get('state')} {title(thread)}  {where}".rstrip())
    if len(found) > MAX_LINES:
        yield f"  and {len(found) - MAX_LINES} more (--format json lists them)"


def _who(report: Mapping[str, Any], attributes: Mapping[str, Any]) -> str:
    uptime = attributes.get("bootcheck.worker.uptime_s")
    up = f", up {uptime:.0f} s" if isinstance(uptime, (int, float)) else ""
    ready = "ready" if attributes.get("bootcheck.ready") else "not ready yet"
    return f"{report['role']} {attributes['process.pid']} on {attributes.get('host.name')}{up}, {ready}"


def _uses(measures: Mapping[str, Any]) -> str:
    parts = []
    if "process.memory.usage" in measures:
        parts.append(f"{measures['process.memory.usage'] / 1048576:.1f} MB of memory")
    if "process.unix.file_descriptor.count" in measures:
        parts.append(f"{measures['process.unix.file_descriptor.count']} descriptors")
    if "process.thread.count" in measures:
        count = measures["process.thread.count"]
        parts.append(f"{count} thread{'' if count == 1 else 's'}")
    return ", ".join(parts) or "unknown"


def _outside(pid: int, seen: Mapping[str, Any], style: Style) -> Iterator[str]:
    yield from paragraph(f"Process {pid} was not asked. From /proc alone:", style, bold=True)
    yield ""
    yield from section("Command", [quoted(str(seen["command"]))], style)
    yield from section("State", [f"{seen['state']}, uid {seen['uid']}"], style)
    yield from section("Uses", [_uses(seen)], style)
    yield ""
    yield from threads({"bootcheck.threads": seen["threads"]})
