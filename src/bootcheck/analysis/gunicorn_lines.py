"""The lines that Gunicorn 19 to 27 and its worker classes write, and what each one means.

Texts and versions: facts proven on real servers; see `tests/data/gunicorn_logs`.
"""

from __future__ import annotations

import re

from bootcheck.model.signals import signal_name

START = "start"
LISTENING = "listening"
WORKER_CLASS = "worker_class"
BOOTING = "booting"
EXITING = "exiting"
RAISED = "raised"
TIMEOUT = "timeout"
OVERDUE = "overdue"
"""A worker of gevent or eventlet drops the requests that the time for a graceful end was too short for."""
KILLED = "killed"
EXITED = "exited"
HALT = "halt"
REASON = "reason"
SIGNAL = "signal"
RELOAD = "reload"
SERVING = "serving"
READY = "ready"
STARTING = "starting"
STARTED = "started"
LEAVING = "leaving"
"""A worker of uvicorn waits for its connections or its application before it ends."""
FINISHED = "finished"
"""A worker of uvicorn has shut down in good order: the signal that it then sends itself again is no fault."""
REQUEST_ERROR = "request_error"
NESTED = "nested"
"""The app starts a development server of its own, and that call never returns."""
CANNOT_BIND = "cannot_bind"
MAIN_LOOP = "main_loop"
APP_NOT_FOUND = "app_not_found"
CONFIG_ERROR = "config_error"
LIFESPAN_FAILED = "lifespan_failed"
RETRYING = "retrying"
NOTED = "noted"
"""Known, and nothing follows from it."""

_LINES = (
    (START, r"Starting gunicorn (?P<version>\S+)"),
    (LISTENING, r"Listening at: (?P<where>.+?)(?: \((?P<pid>\d+)\))?$"),
    (WORKER_CLASS, r"Using worker(?: class)?: (?P<name>\S+)"),
    (BOOTING, r"(?:Booting worker with pid: |Worker spawned \(pid:? ?)(?P<pid>\d+)"),
    (EXITING, r"Worker exiting \(pid: ?(?P<pid>\d+)\)"),
    (RAISED, r"Exception in (?P<dirty>dirty )?worker process"),
    (TIMEOUT, r"(?:WORKER TIMEOUT|Worker timeout) ?\(pid: ?(?P<pid>\d+)\)"),
    # As people paste it who left the pid out, and what the hook of Gunicorn's documentation says.
    (TIMEOUT, r"(?:^|CRITICAL\W{1,3})WORKER TIMEOUT(?: \(pid: ?[^\d)]{0,12}\))?\W*$|^worker received SIGABRT signal"),
    (OVERDUE, r"Worker graceful timeout \(pid: ?(?P<pid>\d+)\)"),
    (KILLED, r"Worker with pid (?P<pid>\d+) was terminated due to signal (?P<number>\d+)"),
    (KILLED, r"Worker \(pid: ?(?P<pid>\d+)\) was sent (?:(?P<name>SIG\w+)|(?:code|signal) (?P<number>\d+))!"),
    (EXITED, r"Worker \(pid: ?(?P<pid>\d+)\) exited with code (?P<code>-?\d+)"),
    (HALT, r"Shutting down: Master"),
    (NOTED, r"(?:^|\] )Reason: bootcheck: "),
    (RETRYING, r"Retrying in \d+ second"),
    (REASON, r"(?:^|\] |\s)Reason: (?P<reason>Worker failed to boot|App failed to load)"),
    (REASON, r"HaltServer '(?P<reason>Worker failed to boot|App failed to load)"),
    (SIGNAL, r"Handling signal: (?P<name>\w+)"),
    (RELOAD, r"Hang up: Master|Worker reloading: |Parent changed, shutting down"),
    (RELOAD, r"Autorestarting worker after current request"),
    (NESTED, r"^\s*\* Serving (?:Flask|Quart) app\b"),
    (STARTED, r"Started server process \[(?P<pid>\d+)\]"),
    (
        LEAVING,
        r"^(?:INFO:\s+)?Waiting for (?:connections to close|background tasks to complete|application shutdown)\b",
    ),
    (FINISHED, r"Finished server process \[(?P<pid>\d+)\]"),
    (STARTING, r"Waiting for application startup\."),
    (READY, r"Application startup complete|Booted, ready to serve"),
    (LIFESPAN_FAILED, r"Application startup failed\. Exiting|ASGI lifespan startup failed"),
    (SERVING, r'"(?:GET|POST|PUT|HEAD|DELETE|PATCH|OPTIONS) [^"]* HTTP/\d(?:\.\d)?" [1-5]\d\d'),
    (REQUEST_ERROR, r"Error handling request|Exception on \S+ \[[A-Z]+\]|Internal Server Error: "),
    (REQUEST_ERROR, r"Exception in ASGI application|Socket error processing request"),
    (CANNOT_BIND, r"Connection in use: |Can't connect to (?:\(|\S*/)|Invalid address: |is not a valid port number"),
    (CANNOT_BIND, r"connection to (?:\(|\S*/).* failed: (?:\[Errno|AF_)"),
    (MAIN_LOOP, r"Unhandled exception in main loop"),
    (APP_NOT_FOUND, r"Failed to find (?:attribute|application object) u?'[^']*' in u?'"),
    (APP_NOT_FOUND, r"^Failed to find application(?: object)?: |^Function reference must be a simple name"),
    (APP_NOT_FOUND, r"Error loading ASGI app\. (?:Could not import module|Attribute) \""),
    (APP_NOT_FOUND, r"Failed to parse '.*' as an attribute name or function call|Application object must be callable"),
    (
        CONFIG_ERROR,
        r"Failed to read config file: |^Invalid value for \w+: |^(?:\S*/)?(?:gunicorn\S*|__main__\.py) ?: error: ",
    ),
    (CONFIG_ERROR, r"^class uri .{1,200} invalid or not found|^[Uu]sage: (?:gunicorn\S*|__main__\.py) "),
    (APP_NOT_FOUND, r"^Error: (?:Could not import '|Could not locate a Flask app|Failed to find Flask app)"),
    (
        CONFIG_ERROR,
        r"^Error: (?!.*\bHTTP\b|.* in section '|Invalid value for '|While importing '|No such (?:command|option))",
    ),
    (CONFIG_ERROR, r"^Worker class '.*' not found"),
)
NEEDS_NOTHING = re.compile(
    r'"[A-Z]+ /(?:(?:\w+/)?(?:-/)?(?:health\w*|ping|status|metrics|live\w*|ready\w*|alive|up)/?|static/\S*|assets/\S*|'
    r"favicon\.ico|robots\.txt|(?:\S*/)?openapi\.json|docs/?)[ ?]"
)
"""What is answered without a database or a service."""
LOOPBACK = re.compile(r"//(?:127\.0\.0\.1|localhost|\[::1\]):(\d+)")
"""An address, as Gunicorn writes it, at which it listens for nobody outside; and its port."""
ANSWERED = re.compile(r' HTTP/1\.[01]" [1-5]\d\d')
"""In an access log: whatever else stands in such a line was written by a client, and means nothing."""
_TABLE = tuple((kind, re.compile(pattern)) for kind, pattern in _LINES)
WORDS = (
    "unicorn", "Listening at", "Using worker", "Booting worker", "Worker", "WORKER", "worker process",
    "Shutting down: ", "Reason: ", "Retrying in", "HaltServer", "Handling signal", "Hang up: ", "Parent changed",
    "Autorestarting", "lication startup", "lifespan", "ready to serve", " HTTP/", "rror handling request",
    "Exception ", "Socket error", "Server Error: ", "Connection in use", "t connect to ", "onnection to ",
    "Invalid ", "valid port", "class uri ", "Unhandled exception", "Failed to ", "Application object", "sage: ",
    "Finished server", "ions to close", "ground tasks to", "lication shutdown", "Started server", "received SIGABRT",
    "Function ref", "* Serving ",
    "Error: ", "rror: ", "loading ASGI app",
)  # fmt: skip
"""One of them stands in every line of the table: a fast sieve."""
_TRIGGER = re.compile("|".join(map(re.escape, WORDS)))


def event_of(text: str) -> tuple[str, re.Match[str]] | None:
    """Return what a line means and its parts, or None where Gunicorn would not say it."""
    if _TRIGGER.search(text) is None:
        return None
    answered = ANSWERED.search(text)
    if answered is not None:
        return SERVING, answered
    for kind, pattern in _TABLE:
        match = pattern.search(text)
        if match is not None:
            return kind, match
    return None


def signal_of(match: re.Match[str]) -> str:
    """Return the signal's name of a KILLED line; 139 and 11 are both SIGSEGV (core dumped, or not)."""
    if match.groupdict().get("name"):
        return str(match["name"])
    number = int(match["number"][:4])
    return signal_name(number - 128 if number > 128 else number)


def pid_of(match: re.Match[str]) -> int:
    """Return the pid that a line names, 0 where it names none."""
    return int((match.groupdict().get("pid") or "0")[:9])
