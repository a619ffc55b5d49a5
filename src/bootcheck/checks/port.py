"""Gunicorn will not be able to bind its address.

What it means

BC405: another process holds the address (for a Unix socket: another server listens on it, and Gunicorn would
take its file away without a word). BC407: the address cannot be used on this machine: the name does not
resolve, the IP is not one of ours, the directory of the socket is missing, something else than a socket lies
there. BC408: the master's user may not bind it, for example a port below 1024.

How it looks

`Connection in use: ('0.0.0.0', 8000)` and `Retrying in 1 second.` five times, then `Can't connect to
('0.0.0.0', 8000)` and exit code 1. `Invalid address: …`. `[Errno 13] Permission denied`.

Why it happens

The previous master was killed and its workers still hold the socket; a second unit or container with the same
port; a development server left running; the configuration names the address of another host; the port lies in
the range from which outgoing connections take theirs.

What to do

The finding names the process that holds the address, as far as this user may see it. Stop it, or bind another
address. Inside a container bind 0.0.0.0. For a port below 1024 let the master start as root, or give it
CAP_NET_BIND_SERVICE.

How to know it is fixed

`ss -ltnp` no longer shows another process there, and the checkpoint `port.<address>` has passed.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from bootcheck.checks import options
from bootcheck.checks.addresses import MAX_UNIX_PATH, Address, AddressError, parse
from bootcheck.checks.base import Context, Moment, Server
from bootcheck.checks.port_holder import in_use, listening
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Evidence, Finding

RULES: tuple[str, ...] = ("BC405", "BC407", "BC408")

_CAP_NET_BIND_SERVICE = 1 << 10
_POLL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """Binds each address for a moment, as Gunicorn is about to do, and lets go of it."""

    name: ClassVar[str] = "port"
    moment: ClassVar[Moment] = Moment.PREFLIGHT
    phase: ClassVar[Phase] = Phase.SERVER

    addresses: tuple[str, ...] = ()
    wait: float = 1.0

    def __post_init__(self) -> None:
        """Refuse addresses that Gunicorn could not read."""
        for address in options.texts("port", "addresses", self.addresses):
            try:
                parse(address)
            except AddressError as exc:
                options.refuse("port", "addresses", f"holds {address!r}, which {exc}", "Write '127.0.0.1:8000'.")
        options.number("port", "wait", self.wait, most=300)

    @property
    def subject(self) -> str:
        """Gunicorn's setting, or the addresses that were named."""
        return ", ".join(self.addresses) or "bind"

    @property
    def budget(self) -> float:
        """The wait, and resolving names."""
        return self.wait + 5.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield the addresses that cannot be bound."""
        texts = self.addresses or context.server.bind
        reason = _why_not(texts, context) if not self.addresses else None
        if reason is not None:
            context.recorder.skipped("port", self.phase, reason)
            return
        seen: set[tuple[str, int | None, str | None]] = set()
        deadline = time.monotonic() + self.wait
        for text in texts:
            try:
                address = parse(text)
            except AddressError as exc:
                context.recorder.failed(f"port.{text}", self.phase, problem=str(exc))
                yield _unusable(text, f"The address {text!r} {exc}.", "Write host:port or unix:/path.")
                continue
            key = (address.host, address.port, address.path)
            twice = key in seen and address.port != 0
            seen.add(key)
            yield from self._one(context, address, deadline, twice=twice)

    def _one(self, context: Context, address: Address, deadline: float, *, twice: bool) -> Iterator[Finding]:
        point = f"port.{address.text}"
        if address.fd is not None:
            context.recorder.skipped(point, self.phase, "the socket is inherited")
            return
        if twice:
            context.recorder.failed(point, self.phase, problem="listed twice")
            yield Finding(
                code="BC405",
                summary=f"The address {address.text} stands twice in bind: the second time it is taken.",
                action=("Name it once.",),
                evidence=(Evidence(source="bind", text=f"{address.text} is listed twice"),),
            )
            return
        with context.recorder.step(point, self.phase) as step:
            finding = _attempt(context, address)
            # The predecessor may be about to let go, and Gunicorn itself would try for five seconds.
            while finding is not None and finding.code == "BC405" and time.monotonic() < deadline:
                time.sleep(_POLL)
                finding = _attempt(context, address)
            if finding is not None:
                step.fail(code=finding.code)
                yield finding


def port(*addresses: str, wait: float = 1.0) -> Port:
    """Check that addresses can be bound.

    Args:
        addresses: by default the ones that Gunicorn binds.
        wait: seconds in which a predecessor may still let go of them.
    """
    return Port(addresses=addresses, wait=wait)


def discover(environ: Mapping[str, str], server: Server) -> Iterator[Port]:  # noqa: ARG001 - one signature for all
    """Yield the check where the server binds addresses of its own."""
    if server.bind and not server.reuse_port:
        yield Port()


def _why_not(texts: tuple[str, ...], context: Context) -> str | None:
    if not texts:
        return "no address to bind: there is no server, or its sockets are inherited"
    if context.server.reuse_port:
        return "reuse_port: several servers may share the address"
    # An executable that replaces itself (USR2) and systemd's socket activation hand sockets over.
    if "GUNICORN_FD" in context.environ or context.environ.get("LISTEN_PID") == str(os.getppid()):
        return "the sockets are inherited"
    return None


def _attempt(context: Context, address: Address) -> Finding | None:
    if address.path is not None:
        return _unix(context, address, address.path)
    try:
        _bind(address)
    except socket.gaierror as exc:
        text = f"The name {address.host!r} in bind does not resolve: {exc.strerror}."
        return _unusable(address.text, text, "Bind an IP address, 0.0.0.0 for every one.")
    except (ValueError, TypeError):
        # No IDNA form, or a zero byte.
        text = f"The name {address.host!r} in bind is not a host name."
        return _unusable(address.text, text, "Bind an IP address, 0.0.0.0 for every one.")
    except OSError as exc:
        return _refused(context, address, exc)
    return None


def _bind(address: Address) -> None:
    """Bind as Gunicorn does, without listening: nobody can connect to a socket that is gone in a moment."""
    family = socket.AF_INET6 if address.ipv6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address.host, address.port))


def _refused(context: Context, address: Address, exc: OSError) -> Finding | None:
    if exc.errno == errno.EADDRINUSE:
        return in_use(context, address)
    if exc.errno in (errno.EACCES, errno.EPERM):
        if _master_may_bind():
            # The kernel asks for the permission first: whether it is taken only the table can tell.
            return in_use(context, address) if listening(address) else None
        return _forbidden(address, f"{exc.strerror} (errno {exc.errno}) as uid {os.geteuid()}")
    if exc.errno == errno.EADDRNOTAVAIL:
        text = f"The address {address.host} in bind is not an address of this machine."
        return _unusable(address.text, text, "Bind 0.0.0.0 (every address) or one that `ip address` shows.")
    text = f"The address {address.text} cannot be bound: {exc.strerror}."
    return _unusable(address.text, text, "Bind another address; without IPv6 use 0.0.0.0.")


def _unix(context: Context, address: Address, path: str) -> Finding | None:
    if len(os.fsencode(path)) > MAX_UNIX_PATH:
        text = f"The path of the socket in bind is longer than {MAX_UNIX_PATH} bytes."
        return _unusable(address.text, text, "Choose a shorter one, for example in /run.")
    if path.startswith("\0"):
        return in_use(context, address) if listening(address) else None
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return _unix_directory(address, os.path.dirname(os.path.abspath(path)))
    except OSError as exc:
        # The master may see what the workers' user does not.
        return None if _master_is_other() else _unusable(address.text, f"{path} cannot be reached: {exc.strerror}.", "")
    if not stat.S_ISSOCK(mode):
        text = f"{path} in bind is not a socket, and Gunicorn refuses to replace it."
        return _unusable(address.text, text, f"Look what it is (ls -l {path}), and remove it or bind another path.")
    return in_use(context, address) if listening(address) or _answers(path) else None


def _unix_directory(address: Address, folder: str) -> Finding | None:
    if _master_is_other():
        return None
    if not os.path.isdir(folder):
        text = f"The directory of the socket in bind does not exist: {folder}."
        return _unusable(address.text, text, f"Create it: mkdir -p {folder} (systemd: RuntimeDirectory=).")
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        return _forbidden(address, f"uid {os.geteuid()} may not write {folder}")
    return None


def _answers(path: str) -> bool:
    """Tell whether a server accepts connections there, also one of another network namespace."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:
            # Its queue is full: somebody listens, or did.
            return True
        except OSError:
            return False
    return True


def _master_is_other() -> bool:
    """Tell whether the process that will bind has another user than this one, or cannot be looked at."""
    uid, _ = _identity(os.getppid())
    return uid != os.geteuid()


def _master_may_bind() -> bool:
    _, capabilities = _identity(os.getppid())
    return capabilities is None or bool(capabilities & _CAP_NET_BIND_SERVICE)


def _identity(pid: int) -> tuple[int | None, int | None]:
    """Return effective uid and effective capabilities of a process."""
    found: dict[str, str] = {}
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
            for line in status:
                key, _, value = line.partition(":")
                found[key] = value.strip()
        return int(found["Uid"].split()[1]), int(found["CapEff"], 16)
    except (OSError, KeyError, ValueError, IndexError):
        return None, None


def _unusable(address: str, summary: str, action: str) -> Finding:
    return Finding(
        code="BC407",
        summary=summary,
        action=(action,) if action else (),
        evidence=(Evidence(source="bind", text=address),),
    )


def _forbidden(address: Address, text: str) -> Finding:
    action = (
        ("Give the directory to the master's user, or bind a path below /run that is its own.",)
        if address.path is not None
        else (
            "Bind a port from 1024 up and let a proxy or the platform map it.",
            "Or start the master as root (it drops to user and group), or with CAP_NET_BIND_SERVICE.",
        )
    )
    return Finding(
        code="BC408",
        summary=f"The master's user may not bind {address.text}.",
        action=action,
        evidence=(Evidence(source="bind", text=text),),
    )
