"""Inputs of every kind, and what happens to files: cut, mixed up, damaged, packed, by a number that makes it again."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import tarfile
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from bootcheck.model.cause import Cause
from tests.unit.analysis.making import AT, LOGS, entered, head, report

Mutation = Callable[[bytes, random.Random], bytes]


def _report_seeds() -> Iterator[tuple[str, bytes]]:
    trace = (
        "Traceback (most recent call last):\n"
        '  File "/app/shop.py", line 3, in <module>\n    engine.connect()\n'
        'psycopg.OperationalError: connection failed: connection to server at "10.0.0.5", port 5432 failed\n'
    )
    raised = report(Cause.EXCEPTION, type="psycopg.OperationalError", message="connection failed", trace=trace)
    yield "crash-1.json", raised.encoded()
    for number, cause in enumerate(cause for cause in Cause if cause not in (Cause.NONE, Cause.EXCEPTION)):
        yield f"crash-{number + 2}.json", report(cause, uptime=3.5, signal="SIGKILL", origin="outside").encoded()
    yield "boot-1.json", report(Cause.NONE, kind="boot", step=None).encoded()
    every = [report(cause, pid=number + 40) for number, cause in enumerate(Cause)]
    lines = [json.dumps(json.loads(item.encoded())).encode() for item in every]
    yield "reports.jsonl", b"\n".join(lines) + b"\n"
    yield "stderr.log", b"".join(b"BOOTCHECK_REPORT " + line[:1900] + b"\n" for line in lines)


def _journal_seeds() -> Iterator[tuple[str, bytes]]:
    records: list[dict[str, Any]] = [
        head(),
        entered("worker.boot"),
        entered("app.load", 2),
        {"t": "finding", "at": AT, "finding": {"code": "BC101", "summary": "x", "severity": "error", "action": ["a"]}},
        {"t": "exception", "at": AT, "kind": "exception", "type": "ValueError", "message": "m", "traceback": "T\n  m"},
        {"t": "signal", "at": AT, "name": "SIGTERM", "signo": 15},
        {"t": "ready", "at": AT},
    ]
    encoded = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    yield "worker-31-77.jsonl", encoded
    yield "journal.txt", encoded


def _carried(path: str, carry: Callable[[str], str]) -> bytes:
    return "".join(carry(line) + "\n" for line in (LOGS / path).read_text().splitlines()).encode()


def _wrapped_seeds() -> Iterator[tuple[str, bytes]]:
    log = "dependency-missing/worker-23.0.0.log"
    yield (
        "docker-json.log",
        _carried(log, lambda line: json.dumps({"log": line + "\n", "time": "2026-11-27T09:26:00Z"})),
    )
    yield (
        "journald.json",
        _carried(
            log, lambda line: json.dumps({"MESSAGE": line, "_PID": "8", "__REALTIME_TIMESTAMP": "1795771560000000"})
        ),
    )
    yield "structlog.json", _carried(log, lambda line: json.dumps({"event": line, "level": "error", "pid": 31}))
    yield "logfmt.log", _carried(log, lambda line: f"time=2026-11-27T09:26:00Z level=error msg={json.dumps(line)}")
    yield "compose.log", _carried(log, lambda line: f"\x1b[36mweb-1  |\x1b[0m {line}")
    entries = [
        {"timestamp": 1_795_771_560_000 + number, "message": line}
        for number, line in enumerate((LOGS / log).read_text().splitlines())
    ]
    yield "cloudwatch.json", json.dumps({"events": entries}, indent=1).encode()


def _platform_seeds() -> Iterator[tuple[str, bytes]]:
    ended = {
        "exitCode": 137,
        "reason": "OOMKilled",
        "startedAt": "2026-11-27T09:00:00Z",
        "finishedAt": "2026-11-27T09:01:00Z",
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-5d9f7c6b4-x2x4x", "namespace": "shop"},
        "spec": {"containers": [{"name": "web", "livenessProbe": {"periodSeconds": 10, "failureThreshold": 3}}]},
        "status": {"containerStatuses": [{"name": "web", "restartCount": 4, "lastState": {"terminated": ended}}]},
    }
    yield "pod.json", json.dumps(pod, indent=1).encode()
    yield "pods.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod, pod]}, indent=2).encode()
    state = {"Status": "exited", "OOMKilled": True, "ExitCode": 137, "StartedAt": "2026-11-27T09:00:00.1Z", "Pid": 0}
    yield (
        "inspect.json",
        json.dumps([{"Id": "f" * 64, "Name": "/web", "State": state, "RestartCount": 2}], indent=1).encode(),
    )
    yield (
        "show.txt",
        b"Id=shop.service\nActiveState=failed\nSubState=failed\nResult=oom-kill\nExecMainStatus=9\nExecMainCode=2\n"
        b"ExecMainPID=812\nNRestarts=3\nExecMainExitTimestamp=Fri 2026-11-27 09:26:00 UTC\n",
    )
    dump = {
        "time": 1_795_771_560_000_000,
        "pid": 812,
        "uid": 0,
        "sig": 11,
        "corefile": "present",
        "exe": "/usr/bin/python3",
    }
    yield "coredumpctl.json", json.dumps([dump]).encode()


@cache
def seeds() -> dict[str, bytes]:
    """Return one input of every kind by the name of its file, and all real logs of one release."""
    found = dict([*_report_seeds(), *_journal_seeds(), *_wrapped_seeds(), *_platform_seeds()])
    for path in sorted(LOGS.glob("*/*-23.0.0.log")):
        found[f"{path.parent.name}-{path.name}"] = path.read_bytes()
    return found


# -- what happens to them -----------------------------------------------------------------------------


def _cut(data: bytes, chance: random.Random) -> bytes:
    return (
        data[chance.randrange(len(data) // 2 + 1) :]
        if chance.random() < 0.3
        else data[: chance.randrange(len(data) + 1)]
    )


def _shuffled(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    chance.shuffle(lines)
    return b"\n".join(lines)


def _doubled(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    return b"\n".join(line for line in lines for _ in range(chance.choice((0, 1, 1, 2, 30))))


def _flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 40) if changed else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _spliced(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + chance.randbytes(chance.randint(0, 300)) + data[place + chance.randint(0, 300) :]


def _zeroed(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + bytes(chance.choice((1, 500, 5_000))) + data[place:]


def _mixed(data: bytes, chance: random.Random) -> bytes:
    other = chance.choice(list(seeds().values())).split(b"\n")
    lines = data.split(b"\n")
    for line in other:
        lines.insert(chance.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


def _numbered(data: bytes, chance: random.Random) -> bytes:
    """Replace the digits of one kind by a number that no field can hold."""
    digit = str(chance.randrange(10)).encode()
    return data.replace(digit, chance.choice((b"9" * 25, b"-1", b"1e999", b"NaN", b"0", b"9" * 5_000)), 5)


def _nested(data: bytes, chance: random.Random) -> bytes:
    depth = chance.choice((50, 5_000, 100_000))
    opening, closing = chance.choice(
        ((b"[", b"]"), (b'{"a":', b"}"), (b'{"message":', b"}"), (b'{"attributes":', b"}"))
    )
    return opening * depth + (data if chance.random() < 0.5 else b"1") + closing * depth


def _typed(data: bytes, chance: random.Random) -> bytes:
    """Give a key of a JSON text a value of another type."""
    keys = data.split(b'": ')
    if len(keys) < 2:
        return data
    place = chance.randrange(1, len(keys))
    odd = chance.choice((b"[]", b"{}", b"null", b"true", b"-5", b'"x"', b"[[{}]]", b'{"a": [null]}', b"1e300"))
    rest = keys[place]
    ends = [end for end in (rest.find(b","), rest.find(b"\n"), rest.find(b"}")) if end >= 0]
    keys[place] = odd + (rest[min(ends) :] if ends else b"")
    return b'": '.join(keys)


def _long(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + chance.choice((b"x", b"Error: ", b"\x1b[31m", b"  | ", b"[a] ")) * 30_000 + data[place:]


def _windows(data: bytes, chance: random.Random) -> bytes:
    text = data.decode("utf-8", "replace")
    return chance.choice(
        (
            data.replace(b"\n", b"\r\n"),
            b"\xef\xbb\xbf" + data,
            text.encode("utf-16"),
            text.encode("utf-16-le"),
            text.replace("e", "\u00e9").encode("latin-1", "replace"),
        )
    )


def _packed(data: bytes, chance: random.Random) -> bytes:
    kind = chance.randrange(5)
    if kind == 0:
        return gzip.compress(data)
    if kind == 1:
        return bz2.compress(data)
    if kind == 2:
        return lzma.compress(data)
    if kind == 3:
        try:
            import zstandard
        except ImportError:
            return gzip.compress(data)
        return bytes(zstandard.ZstdCompressor().compress(data))
    return archive(
        (chance.choice(("app.log", "../../etc/x.log", "/abs/report.json", "a/" * 90 + "b", "\x1b]0;x\x07")), data)
        for _ in range(chance.randint(1, 4))
    )


def archive(members: Iterator[tuple[str, bytes]] | list[tuple[str, bytes]]) -> bytes:
    """Return a tar of files, with a link and a device among them."""
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, kind in (
            ("link", tarfile.SYMTYPE),
            ("hard", tarfile.LNKTYPE),
            ("tty", tarfile.CHRTYPE),
            ("p", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    return kept.getvalue()


MUTATIONS: tuple[Mutation, ...] = (
    _cut,
    _shuffled,
    _doubled,
    _flipped,
    _spliced,
    _zeroed,
    _mixed,
    _numbered,
    _nested,
    _typed,
    _long,
    _windows,
    _packed,
)


def mutated(number: int) -> tuple[str, bytes]:
    """Return the name and the content of one input; the same number gives the same."""
    chance = random.Random(number)
    names = list(seeds())
    name = names[number % len(names)]
    data = seeds()[name]
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        data = chance.choice(MUTATIONS)(data, chance)
    return name, data
