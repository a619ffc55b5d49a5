"""The data of `analyze.py`: a Gunicorn log as a shop writes it, and reports as a fleet leaves them."""

from __future__ import annotations

import base64
import json
import os
import random
import uuid
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

BEGIN = datetime(2026, 11, 20, tzinfo=timezone.utc)
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "python-requests/2.32.3",
    "okhttp/4.12.0",
    "curl/8.11.0",
    "-",
)
WORDS = [
    "amber",
    "basket",
    "carbon",
    "delta",
    "ember",
    "fabric",
    "garden",
    "harbor",
    "island",
    "jasmine",
    "kettle",
    "lantern",
    "meadow",
    "nectar",
    "orchid",
    "pepper",
    "quartz",
    "ribbon",
    "saddle",
    "timber",
    "umbrella",
    "velvet",
    "willow",
    "yonder",
    "zephyr",
    "canyon",
    "blanket",
    "compass",
    "drizzle",
    "engine",
]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_STAMP = "[%Y-%m-%d %H:%M:%S +0000]"
KILLED, TIMED_OUT, RECYCLED, FAILED_REQUESTS = 12, 6, 400, 25
"""What the log tells, whatever its size: workers killed, timed out, recycled, and requests that raised."""


def log_lines(chance: random.Random, clock: Callable[[], datetime], *, unlike: bool = False) -> Iterator[str]:
    """Yield ordinary lines for ever: requests, probes, and what an app says of itself.

    No two are alike, but for their numbers those of an app are often. With `unlike` these hold a
    token and a person's name as well, so that hardly any is like another in its letters either.
    """
    pick, number = chance.choice, chance.randrange

    def token() -> str:
        if not unlike:
            return ""
        name = "".join(chance.choices(_LETTERS, k=number(8) + 4)).capitalize()
        secret = base64.b64encode(chance.randbytes(12)).decode()
        return f" by {name}, {uuid.UUID(int=chance.getrandbits(128), version=4)} {secret}"

    while True:
        now = clock()
        stamp = now.strftime("%Y-%m-%d %H:%M:%S")
        pid = 40 + number(8)
        kind = number(1000)
        if kind < 640:
            path = f"/{pick(WORDS)}/{pick(WORDS)}-{number(90_000)}"
            path += f"?page={number(40)}&sort={pick(WORDS)}" if number(3) == 0 else ""
            path += f"/{uuid.UUID(int=chance.getrandbits(128), version=4)}" if unlike else ""
            method = pick(("GET", "GET", "GET", "GET", "POST", "PUT", "DELETE"))
            status = pick((200, 200, 200, 200, 201, 204, 301, 302, 304, 400, 401, 404, 404, 500))
            referer = f"https://shop.example.com/{pick(WORDS)}" if number(3) else "-"
            yield (
                f"10.{number(256)}.{number(256)}.{number(256)} - - [{now.strftime('%d/%b/%Y:%H:%M:%S')} +0000] "
                f'"{method} {path} HTTP/1.1" {status} {number(60_000)} "{referer}" "{pick(AGENTS)}"'
            )
        elif kind < 680:
            yield (
                f"10.0.0.{number(9)} - - [{now.strftime('%d/%b/%Y:%H:%M:%S')} +0000] "
                f'"GET /health HTTP/1.1" 200 2 "-" "kube-probe/1.31"'
            )
        elif kind < 830:
            yield (
                f"{stamp},{number(1000):03} INFO shop.{pick(WORDS)}: order {number(10**8)} of user {number(10**6)} "
                f"placed: {number(9) + 1} items, {number(10**5) / 100:.2f} EUR, {number(900)} ms{token()}"
            )
        elif kind < 900:
            yield (
                f"[{stamp} +0000] [{pid}] [INFO] {pick(WORDS)}: {number(500)} rows in {number(900)} ms, "
                f"cache {pick(('hit', 'miss'))} for key {pick(WORDS)}:{number(10**6)}{token()}"
            )
        elif kind < 970:
            yield (
                f"{stamp} [debug    ] {pick(WORDS)}.{pick(WORDS)}  request_id={chance.getrandbits(64):016x} "
                f"duration={number(10**4) / 10} user={number(10**6)} retries={number(3)}{token()}"
            )
        elif kind < 999:
            yield (
                f"{stamp},{number(1000):03} WARNING shop.{pick(WORDS)}: slow query ({number(9000)} ms), Seq Scan on "
                f"{pick(WORDS)}s  (rows={number(10**6)} width={number(100)}){token()}"
            )
        else:
            yield (
                f"{stamp},{number(1000):03} ERROR shop.{pick(WORDS)}: {pick(WORDS)} gateway answered "
                f"50{number(4)} after {number(9000)} ms, will be tried again"
            )


def _events(chance: random.Random) -> list[tuple[str, ...]]:
    """Return what happens between the ordinary lines; `{t}` becomes the time."""
    found: list[tuple[str, ...]] = []
    for number in range(RECYCLED):
        old, new = 1000 + number, 3000 + number
        found.append(
            (
                f"{{t}} [{old}] [INFO] Autorestarting worker after current request.",
                f"{{t}} [{old}] [INFO] Worker exiting (pid: {old})",
                f"{{t}} [{new}] [INFO] Booting worker with pid: {new}",
            )
        )
    for number in range(KILLED):
        old, new = 5000 + number, 6000 + number
        found.append(
            (
                f"{{t}} [7] [ERROR] Worker (pid:{old}) was sent SIGKILL! Perhaps out of memory?",
                f"{{t}} [{new}] [INFO] Booting worker with pid: {new}",
            )
        )
    for number in range(TIMED_OUT):
        old, new = 7000 + number, 8000 + number
        found.append(
            (
                f"{{t}} [7] [CRITICAL] WORKER TIMEOUT (pid:{old})",
                f"{{t}} [7] [ERROR] Worker (pid:{old}) was sent SIGKILL! Perhaps out of memory?",
                f"{{t}} [{new}] [INFO] Booting worker with pid: {new}",
            )
        )
    for number in range(FAILED_REQUESTS):
        frames = [
            f'  File "/app/shop/{chance.choice(WORDS)}.py", line {10 + depth}, in {chance.choice(WORDS)}\n'
            f"    return self.{chance.choice(WORDS)}(item)"
            for depth in range(6)
        ]
        found.append(
            (
                f"{{t}} [{40 + number % 8}] [ERROR] Error handling request /basket/{number}",
                "Traceback (most recent call last):",
                '  File "/usr/lib/python3/site-packages/gunicorn/workers/sync.py", line 134, in handle',
                "    self.handle_request(listener, req, client, addr)",
                *frames,
                f"KeyError: '{chance.choice(WORDS)}'",
            )
        )
    chance.shuffle(found)
    return found


def write_log(path: str, size: int, *, unlike: bool = False) -> None:
    """Write a plain Gunicorn log of about this many bytes."""
    chance = random.Random(6)  # noqa: S311 - nothing here is secret
    lines = size // 150
    step = timedelta(seconds=7 * 86_400 / lines)
    now = BEGIN
    ordinary = log_lines(chance, lambda: now, unlike=unlike)
    events = _events(chance)
    every = max(1, lines // (len(events) + 1))
    start = [
        "{t} [7] [INFO] Starting gunicorn 23.0.0",
        "{t} [7] [INFO] Listening at: http://0.0.0.0:8000 (7)",
        "{t} [7] [INFO] Using worker: sync",
        *(f"{{t}} [{pid}] [INFO] Booting worker with pid: {pid}" for pid in range(40, 48)),
    ]
    with open(path, "w", encoding="ascii", buffering=1 << 20) as file:
        file.writelines(text.replace("{t}", now.strftime(_STAMP)) + "\n" for text in start)
        written = 0
        number = 0
        while written < size or events:
            number += 1
            now += step
            written += file.write(next(ordinary) + "\n")
            if number % every == 0 and events:
                stamp = now.strftime(_STAMP)
                for text in events.pop():
                    written += file.write(text.replace("{t}", stamp) + "\n")


# -- reports ------------------------------------------------------------------------------------------

FAULTS: tuple[tuple[str, str, str, str, float], ...] = (
    (
        "exception",
        "psycopg.OperationalError",
        'connection to server at "10.0.0.5", port 5432 failed: Connection refused',
        "app.load",
        0.2,
    ),
    ("exception", "ModuleNotFoundError", "No module named 'redis'", "app.load", 0.1),
    ("exception", "KeyError", "'STRIPE_KEY'", "app.load", 0.1),
    ("oom", "", "", "model.load", 0.3),
    ("gunicorn_timeout", "", "", "worker.boot", 0.1),
    ("sigterm", "", "", "model.load", 0.2),
)
STEPS = (
    "worker.boot",
    "app.load",
    "config.load",
    "database.connect",
    "model.load",
    "cache.warm",
    "worker.post_worker_init",
)


def reports(count: int) -> Iterator[dict[str, Any]]:
    """Yield reports of a fleet of 200 hosts over a week, of about 4 KB each: half boots, half deaths."""
    chance = random.Random(7)  # noqa: S311 - nothing here is secret
    weights = [fault[4] for fault in FAULTS]
    for number in range(count):
        at = BEGIN + timedelta(seconds=7 * 86_400 * number / count)
        host, pid = f"web-{chance.randrange(200)}", chance.randrange(20, 30_000)
        crash = number % 2 == 0
        cause, kind, message, step, _ = chance.choices(FAULTS, weights)[0] if crash else ("none", "", "", "", 0.0)
        took = chance.uniform(0.5, 90.0)
        yield _report(chance, number, at, host, pid, (cause, kind, message, step), took, crash=crash)


def _report(  # noqa: PLR0913, PLR0917
    chance: random.Random,
    number: int,
    at: datetime,
    host: str,
    pid: int,
    fault: tuple[str, str, str, str],
    took: float,
    *,
    crash: bool,
) -> dict[str, Any]:
    cause, kind, message, step = fault
    checkpoints, begun = [], at.timestamp() - took
    for seq, name in enumerate(STEPS):
        entry = {"name": name, "phase": "worker", "rss_bytes": chance.randrange(2 * 10**7, 9 * 10**8), "detail": {}}
        checkpoints.append({"seq": 2 * seq, **entry, "outcome": "entered", "at": begun + seq, "duration_ms": None})
        if crash and name == step:
            break
        checkpoints.append(
            {
                "seq": 2 * seq + 1,
                **entry,
                "outcome": "passed",
                "at": begun + seq + 1,
                "duration_ms": round(chance.expovariate(0.01), 3),
            }
        )
    attributes: dict[str, Any] = {
        "process.pid": pid,
        "process.parent_pid": 7,
        "host.name": host,
        "bootcheck.server.id": f"{host}-{number // 4000}",
        "bootcheck.gunicorn.app": "shop.wsgi:app",
        "bootcheck.gunicorn.version": "27.0.1",
        "bootcheck.worker.class": "sync",
        "bootcheck.worker.uptime_s": took,
        "bootcheck.ready": not crash,
        "process.runtime.version": "3.13.0",
    }
    if not crash:
        attributes["bootcheck.boot.duration_s"] = took
    if kind:
        frames = "".join(
            f'  File "/app/shop/{word}.py", line {line}, in {word}\n    return {word}()\n'
            for line, word in enumerate(WORDS[:8], 10)
        )
        attributes |= {
            "exception.type": kind,
            "exception.message": message,
            "exception.stacktrace": f"Traceback (most recent call last):\n{frames}{kind}: {message}",
        }
    if cause in ("oom", "sigterm"):
        attributes["bootcheck.exit.signal.name"] = "SIGKILL" if cause == "oom" else "SIGTERM"
    return {
        "schema_version": 1,
        "report_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "kind": "crash" if crash else "boot",
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "role": "worker",
        "incomplete": False,
        "step": step or None,
        "verdict": {
            "code": {"exception": "BC501", "oom": "BC508", "gunicorn_timeout": "BC506", "sigterm": "BC505"}.get(cause),
            "cause": cause,
            "summary": f"The worker (pid {pid}) died in {step}: {message or cause}."
            if crash
            else f"The worker (pid {pid}) is ready.",
            "action": ["Look at the traceback.", "Check the host and the port from this machine."] if crash else [],
            "confirm": "bootcheck check" if crash else None,
            "confidence": "high",
            "evidence": [{"source": "waitpid", "line": None, "text": f"pid {pid} ended"}] if crash else [],
            "against": [],
            "missing": [],
        },
        "findings": [],
        "fingerprint": f"{zlib.crc32(f'{cause} {kind} {step}'.encode()):016x}",
        "attributes": attributes,
        "stacks": [
            {"thread": "MainThread", "frames": [f"/app/shop/{word}.py:{pid % 90} in {word}" for word in WORDS[:8]]}
        ]
        if crash
        else [],
        "guards": [{"name": name, "changed": False} for name in ("fresh_pools", "sigterm", "boot_deadline")],
        "checkpoints": checkpoints,
        "annotations": {"release": f"1.{number // 50_000}"},
        "redaction": {"hidden_count": 2},
    }


def write_jsonl(path: str, count: int) -> None:
    """Write reports, one on a line."""
    with open(path, "w", encoding="utf-8", buffering=1 << 20) as file:
        file.writelines(json.dumps(_padded(document)) + "\n" for document in reports(count))


def write_files(folder: str, count: int) -> None:
    """Write reports, each a file of its own, as a server does."""
    os.makedirs(folder, exist_ok=True)
    for number, document in enumerate(reports(count)):
        stamp = document["timestamp"].replace("-", "").replace(":", "").replace(".", "")
        pid = document["attributes"]["process.pid"]
        name = f"{document['kind']}-{stamp}-{document['fingerprint']}-worker-{pid}-{number}.json"
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(json.dumps(_padded(document), indent=1) + "\n")


def _padded(document: dict[str, Any]) -> dict[str, Any]:
    """Let it have 4 KB, as a real one with its libraries has."""
    missing = 3_950 - len(json.dumps(document))
    count = max(0, missing // 29)
    document["attributes"]["bootcheck.native.libraries"] = [
        f"/usr/lib/libshop{n:03}.so.1.{n % 10}" for n in range(count)
    ]
    return document
