"""Gunicorn binds the wrong address, or one that nobody outside can reach (BC524).

What it means
    The address in `--bind` does not exist here, cannot be resolved or is misspelt; or gunicorn
    listens where nobody outside can reach it, and the platform gives up waiting for its port.

How it looks
    `[Errno -2] Name or service not known`, `[Errno 99] Cannot assign requested address`,
    `'80o0' is not a valid port number`; or `Listening at: http://127.0.0.1:8000` inside a container
    and then a platform's `No open ports detected`, `Error R10 (Boot timeout)`. A server that is pid 1, so alone in
    its container, and listens there without answering anybody is told with less confidence: a proxy beside it in the
    same pod would reach it.

Why it happens
    An address of another machine; `$PORT` that nobody expanded; loopback inside a container; a port
    other than the one that the platform probes.

What to do
    Bind `0.0.0.0:$PORT` inside a container, and check that the platform's port is the same.

How to know it is fixed
    `Listening at:` shows the right address, and the platform's health check is answered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, first, one_line
from bootcheck.analysis.gunicorn_lines import LOOPBACK
from bootcheck.analysis.outsiders import REFUSED, REFUSED_WORDS, refused_port
from bootcheck.analysis.trouble import UNREACHED, Raised, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence, Finding

CAUSE_CLASS = "bad-bind-address"
RULES = ("BC524",)

_ELSE = r"(?:1|12|13|23|24|28|30|48|98|10013|10048)"
"""What has a class of its own: refused, in use, a limit, a disk that is full or read-only."""
_SAID = late.regex(
    rf"connection to (?!/.* failed: \[Errno (?:2|20)\]).* failed: \[Errno (?!{_ELSE}\])-?\d|Invalid address: |"
    r"is not a valid (?:port number|file descriptor)|Unable to create socket from: |Cannot assign requested address|"
    r"Can't assign requested address|(?:bind\(\)|getsockaddrarg): port must be|AF_UNIX path too long|"
    r"Address family not supported|encoding with 'idna' codec failed",
    re.IGNORECASE,
)
_OF_A_SOCKET = late.regex(rf"\[Errno (?!{_ELSE}\])-?\d+\]|AF_UNIX")
_SOCKET_ERRORS = ("OSError", "error", "gaierror", "herror", "FileNotFoundError", "NotADirectoryError")
_GAVE_UP = late.regex(r"Can't connect to \(")
_TOO_LONG = late.regex(r"Can't connect to (?!.*\.{3})(/.{107,})$")
"""A path that no socket can have, where the reason is not printed."""
_NO_SOCKETS = late.regex(r"Can't connect to (/(?:mnt/[a-z]/|vagrant/|media/sf_|mnt/hgfs/)\S*)$")
"""A drive of the host that WSL, Vagrant, VirtualBox or VMware mounts: it holds no sockets."""
_OTHER = late.regex(r"Connection in use|Errno (?:13|98|48)\]|Permission denied")
_LOW_PORT = late.regex(r", (?:\d{1,3}|10[01]\d|102[0-3])\)")
_BINDING = late.regex(r"gunicorn.*(?:sock|util|config|arbiter)\.py$")
_OWN = late.regex(r"(?:^|/)gunicorn/(?:\w+/)*\w+\.py$")
_RESOLVE = late.regex(
    r"Name or service not known|nodename nor servname|Name does not resolve|No address associated|"
    r"getaddrinfo|failure in name resolution"
)
TELLTALE = late.regex(
    r"Error R10 \(Boot timeout\)|No open (?:HTTP )?ports? detected|Port scan timeout reached|"
    r"[Ff]ailed to bind to \$PORT|"
    r"[Ff]ailed to start and (?:then )?listen on the port|not listening on the expected (?:port|address)|"
    r"respond to HTTP pings on port|Detected open ports on localhost|STARTUP \w+ probe failed .{1,80} on port \d|"
    r"(?:[Ll]iveness|[Ss]tartup) probe failed: .{1,200}connection refused|replicas never became healthy|"
    r"connect\(\) failed \(111: .{1,200}upstream: \"\w+://(?!127\.|localhost|unix)|curl: \((?:52|56)\) |"
    r"gunicorn[^|]{0,80}\| +(?:127\.0\.0\.1|localhost|\[::1\]):\d+|"
    r"no process is listening on|port the app is listening on|is your app listening on|"
    r"failed health checks after \d+ attempts with error .{1,80}probe failed: .{1,200}connection refused|"
    r"[Rr]eadiness probe failed: .{0,200}dial tcp \S+: connect: connection refused|TCP health check failed on port |"
    r"did not start within expected time limit|delayed connect error: 111|is unhealthy in \(target-group|"
    r"^\s*- 0\.0\.0\.0:\d{2,5}$|"
    # The command as the platform prints it: App Service, Render, Heroku reach no loopback.
    r"(?:appCommandLine: |==> Running '|process with command [`'])[^`]{0,200}gunicorn[^`]{0,200}"
    r"(?:-b|--bind)[= ]?[\"']?(?:http://)?(?:127\.0\.0\.1|localhost)\b"
)
WORDS = (
    "Error R10",
    "ports detected",
    "port detected",
    "Port scan",
    "$PORT",
    "listen on the port",
    "listening on",
    "HTTP pings",
    "the app is listening",
    "your app listening",
    "open ports on",
    "STARTUP",
    "probe failed: ",
    "replicas never",
    "connect() failed",
    "curl: (5",
    "unicorn",
    "appCommandLine: ",
    "==> Running '",
    "process with command ",
    "failed health checks after",
    "health check failed on",
    "expected time limit",
    "connect error: 111",
    "(target-group",
    "- 0.0.0.0:",
)
BESIDE = late.regex(REFUSED)
BESIDE_WORDS = REFUSED_WORDS
TELLTALE_CAUSE = Cause.SIGTERM
_HOST = late.regex(r"connect to \(['\"]([^'\"]*)['\"]")
_NAME = late.regex(r"[\w.\-:%]*")
_EVERYWHERE = frozenset({"", "0.0.0.0", "127.0.0.1", "localhost"})  # noqa: S104 - read from a log
_EXPECTED = late.regex(r"PORT=(\d{2,5})|\bports?:? (\d{2,5})\b")
_LISTENS = late.regex(r":(\d{2,5})(?:$|\D*$)")
_DIALLED = late.regex(r"dial tcp \S+?:(\d{2,5}): connect: connection refused")
_READINESS = late.regex(r"^(?!.*failed health checks after).*[Rr]eadiness probe failed")
"""It fails while any server starts, and says something only of a port that is not to be reached from outside."""
_WANTED = late.regex(r"^\s*- 0\.0\.0\.0:(\d{2,5})$")
"""Where Fly would reach it, below its warning that it does not."""
_ROUTER = late.regex(r"Error R10|[Ff]ailed to bind to \$PORT")
_CHOSEN = late.regex(r":\d{2,4}(?:$|\D*$)")
"""A port that a person writes; those that Heroku gives have five digits."""
_LISTED = late.regex(r"\| +((?:127\.0\.0\.1|localhost|\[::1\]):\d+)")
"""A row of the platform's own table of who listens where."""
_ORDERED = late.regex(r"gunicorn\b.{0,300}?(?:-b|--bind)[= ]?[\"']?(?:http://)?((?:127\.0\.0\.1|localhost)\b\S*)")
"""The command itself says so, where the line of the start is not in the log."""


def match(trouble: Trouble) -> Finding | None:
    """Conclude where binding failed for the address's own sake, or a platform misses a loopback listener."""
    error = trouble.error
    line = trouble.line(_SAID)
    if line and trouble.role == "master" and "Errno 13" not in line[0].text:
        return _bad(trouble, one_line(line[0].text), line)
    gave_up = trouble.line(_GAVE_UP) if trouble.role == "master" and not trouble.says(_OTHER) else ()
    if gave_up and _is_wrong(gave_up[0].text):
        # Up to Gunicorn 22 the reason is not printed: it is neither in use nor refused.
        return _bad(trouble, one_line(gave_up[0].text), gave_up)
    too_long = trouble.line(_TOO_LONG) if trouble.role == "master" and not trouble.says(_OTHER) else ()
    if too_long:
        return _bad(trouble, "the path of its socket is longer than a socket's may be", too_long)
    shared = trouble.line(_NO_SOCKETS) if trouble.role == "master" and not trouble.says(_OTHER) else ()
    if shared:
        return _bad(trouble, "its socket is on a folder shared with the host, where none can be made", shared)
    if (
        error is not None
        and _in_binding(error)
        and (_SAID.search(error.text) or _RESOLVE.search(error.text) or error.is_a("TypeError") or _of_socket(error))
    ):
        return _bad(trouble, one_line(error.text), None)
    return _missed(trouble)


def _unreached(trouble: Trouble) -> Finding:
    """Conclude where nobody complains yet: whoever else is in the container's network would reach it."""
    where = ", ".join(trouble.around.listening)
    return conclude(
        trouble,
        f"Gunicorn listens at {where}, inside a container: nobody outside reaches it.",
        "Bind 0.0.0.0 and the port that is published: --bind 0.0.0.0:8000.",
        code="BC524",
        confirm="curl -v from another container, or from the host",
        confidence="medium",
        against=("A proxy in the same pod, or the host's network, reaches it: then all is well.",),
        evidence=trouble.said,
    )


def _missed(trouble: Trouble) -> Finding | None:
    """Conclude where a platform, a probe or a proxy asks where gunicorn does not listen."""
    if trouble.facts.get(UNREACHED):
        return _unreached(trouble)
    missed = _missing(trouble)
    loopback = next((where for where in trouble.around.listening if LOOPBACK.search(where)), None)
    loopback = loopback or next((first(_LISTED, line.text) for line in missed if _LISTED.search(line.text)), None)
    if not trouble.around.listening:
        lines = (*missed, *trouble.around.notes)
        loopback = loopback or next((where for item in lines if (where := first(_ORDERED, item.text))), None)
    if missed and loopback:
        return _bad(trouble, f"it listens at {loopback}, which nobody outside reaches", missed, code="BC524")
    expected = _expected(trouble) if missed else ""
    ports = {first(_LISTENS, where) for where in trouble.around.listening}
    if expected and ports and expected not in ports:
        there = ", ".join(trouble.around.listening)
        return _bad(trouble, f"it listens at {there}, and port {expected} is expected", missed, code="BC524")
    if missed and _ROUTER.search(missed[0].text) and ports and all(map(_CHOSEN.search, trouble.around.listening)):
        there = ", ".join(trouble.around.listening)
        return _bad(trouble, f"it listens at {there}, and not at the port in $PORT", missed, code="BC524")
    return None


def _missing(trouble: Trouble) -> tuple[Evidence, ...]:
    """Return the first line by which somebody misses a listener."""
    ports = {first(_LISTENS, where) for where in trouble.around.listening if LOOPBACK.search(where)}
    for item in (*trouble.said, *trouble.around.notes):
        if TELLTALE.search(item.text) is None:
            # Clients of other services meet the same: only where nothing else went wrong, and of this port.
            if trouble.facts.get("alone") and refused_port(item.text) in ports:
                return (item,)
            continue
        if _WANTED.search(item.text):
            continue
        if _READINESS.search(item.text) is None or first(_DIALLED, item.text, "none") in ports:
            return (item,)
    return ()


def _expected(trouble: Trouble) -> str:
    """Return the port that is asked for, as far as one of the lines that miss a listener, or the one below it, says."""
    for item in (*trouble.said, *trouble.around.notes):
        if TELLTALE.search(item.text) is None:
            continue
        if "expected address" in item.text and trouble.facts.get("alone"):
            return next((port for wanted in trouble.said if (port := first(_WANTED, wanted.text))), "")
        port = first(_EXPECTED, item.text) or first(_DIALLED, item.text)
        if port:
            return port
    return ""


def _is_wrong(text: str) -> bool:
    """Tell whether the address is at fault where no reason is printed: one that every machine has is not."""
    host = first(_HOST, text)
    if not _NAME.fullmatch(host):
        return True
    return host not in _EVERYWHERE and _LOW_PORT.search(text) is None


def _of_socket(error: Raised) -> bool:
    """Tell whether the system took no socket of that kind: a descriptor that is not open, or is no socket's."""
    own = [frame.file for frame in error.frames if _OWN.search(frame.file)]
    asked = error.is_a(*_SOCKET_ERRORS) and bool(own) and own[-1].endswith("/sock.py")
    return asked and _OF_A_SOCKET.search(error.message) is not None


def _in_binding(error: Raised) -> bool:
    # Under --preload the app is imported in the master, from Arbiter.__init__: Gunicorn's innermost frame counts.
    names = ("create_sockets", "bind", "__init__", "parse_address", "set_options")
    own = [frame for frame in error.frames if _OWN.search(frame.file)]
    return bool(own) and bool(_BINDING.search(own[-1].file)) and own[-1].function in names


def _bad(trouble: Trouble, what: str, evidence: Sequence[Evidence] | None, *, code: str = "BC407") -> Finding:
    return conclude(
        trouble,
        f"Gunicorn binds the wrong address: {what}",
        "Correct --bind: inside a container 0.0.0.0 and the port that the platform expects, never 127.0.0.1 "
        "or a name of another machine.",
        code=code,
        confirm="ss -ltn inside the container",
        evidence=evidence,
    )
