"""Addresses are bound for a moment, the holder of a taken one is named, and nothing stays bound."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from bootcheck.checks.base import Moment
from bootcheck.checks.port import Port, discover, port
from bootcheck.model.errors import CheckOptionError
from bootcheck.probes.listeners import Holder
from bootcheck.testing import Outcome, Result, Server, run_check
from tests.unit.checks.users import NOBODY, unprivileged

HOLDER = """
import socket, sys
family = socket.AF_UNIX if sys.argv[1].startswith("/") else socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
held = socket.socket(family)
held.bind(sys.argv[1] if family == socket.AF_UNIX else (sys.argv[1], 0))
held.listen()
print(0 if family == socket.AF_UNIX else held.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold():
    """Start processes that listen at an address until the test ends."""
    started: list[subprocess.Popen[str]] = []

    def hold(host: str, *more: str) -> tuple[int, int]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, host, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process.pid, int(process.stdout.readline())

    yield hold
    for process in started:
        process.communicate("")


@pytest.fixture
def place():
    """A short directory: a Unix socket's path has room for 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="bctest-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def ask(*bind: str, wait: float = 0, environ: dict[str, str] | None = None, **server) -> Result:
    """Run the check on what Gunicorn would bind."""
    return run_check(port(wait=wait), environ, server=Server(bind=bind, **server))


def free() -> int:
    """Return a port that nobody holds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_free_addresses_stay_free(place):
    """Every family is bound and let go of: binding again works, and no file is left."""
    number = free()
    addresses = [f"127.0.0.1:{number}", f"unix:{place}/app.sock", "127.0.0.1:0", f"localhost:{free()}"]
    result = ask(*addresses)

    assert result
    for address in addresses:
        assert result.outcome(f"port.{address}") is Outcome.PASSED
    assert os.listdir(place) == []
    with socket.socket() as again:
        again.bind(("127.0.0.1", number))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_taken_port_names_its_holder(hold, host):
    """The pid and the command line of the process that listens there are evidence, its secrets are not."""
    try:
        pid, number = hold(host, "--password=hunter2")
    except ValueError:
        pytest.skip("this machine has no such address")
    address = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
    result = ask(address)

    assert result.codes == ("BC405",)
    assert f"pid {pid}" in result.findings[0].summary
    assert "socket.AF_INET6" in result.findings[0].evidence[0].text
    assert f"kill {pid}" in result.findings[0].action[0]
    assert f"LISTEN, uid {os.geteuid()}" in result.findings[0].evidence[-1].text
    assert "hunter2" not in str(result.findings[0].as_dict())
    assert result.outcome(f"port.{address}") is Outcome.FAILED


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("/usr/bin/python3 /srv/bin/gunicorn -c x app:app", "gunicorn"),
        ("gunicorn: master [shop]", "gunicorn:"),
        ("/usr/bin/python3 -m http.server 80", "http.server"),
        ("python3 -c code", "python3"),
        ("/usr/sbin/nginx", "nginx"),
        ("python3", "python3"),
        ("", "unnamed"),
    ],
)
def test_a_holder_is_called_by_what_it_runs(monkeypatch, command, program):
    """The script of an interpreter says more than the interpreter, and a master is stopped for its workers."""
    family = [
        Holder(pid=70, parent=7, command=command, fd=3),
        Holder(pid=71, parent=70, command=command, fd=3),
        Holder(pid=72, parent=70, command=command, fd=3),
    ]
    monkeypatch.setattr("bootcheck.checks.port_holder.holders", lambda inodes: family)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        (found,) = ask(f"127.0.0.1:{listener.getsockname()[1]}").findings

    assert f"pid 70 ({program}) and 2 more" in found.summary
    assert found.action[0] == "Stop it if it is a leftover: kill 70"


def test_workers_that_outlived_their_master(monkeypatch):
    """Orphans of Gunicorn are called what they are."""
    orphans = [Holder(pid=pid, parent=1, command="gunicorn: worker [shop]", fd=3) for pid in (71, 72)]
    monkeypatch.setattr("bootcheck.checks.port_holder.holders", lambda inodes: orphans)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        (found,) = ask(f"127.0.0.1:{listener.getsockname()[1]}").findings

    assert found.action[0] == "These Gunicorn processes have outlived their master: kill 71 72"


def test_a_wildcard_collides_with_a_single_address(hold):
    """0.0.0.0 is taken where 127.0.0.1 is."""
    pid, number = hold("127.0.0.1")

    assert f"pid {pid}" in ask(f"0.0.0.0:{number}").findings[0].summary
    assert f"pid {pid}" in ask(f":{number}").findings[0].summary
    assert f"pid {pid}" in ask(f"localhost:{number}").findings[0].summary
    assert ask(f"127.0.0.2:{number}")


def test_sockets_in_time_wait_are_no_alarm():
    """What a stopped server leaves for a minute does not keep Gunicorn from binding."""
    listener = socket.create_server(("127.0.0.1", 0))
    number = listener.getsockname()[1]
    client = socket.create_connection(("127.0.0.1", number))
    accepted, _ = listener.accept()
    # The side that closes first waits: the server's.
    accepted.close()
    client.recv(1)
    client.close()
    listener.close()

    assert ask(f"127.0.0.1:{number}")


def test_a_connection_may_hold_the_port():
    """A port that an outgoing connection took is told apart from a listener."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        number = client.getsockname()[1]
        result = ask(f"127.0.0.1:{number}")

    assert result.codes == ("BC405",)
    assert "ip_local_port_range" in result.findings[0].action[0]
    assert "ESTABLISHED" in result.findings[0].evidence[0].text


def test_a_predecessor_may_let_go():
    """The check waits for one that is about to end, as Gunicorn would, and not longer than needed."""
    listener = socket.create_server(("127.0.0.1", 0))
    number = listener.getsockname()[1]
    timer = threading.Timer(0.3, listener.close)
    timer.start()
    result = ask(f"127.0.0.1:{number}", wait=120)
    timer.join()

    assert result


def test_an_address_that_stands_twice():
    """Gunicorn would fail on its own socket."""
    number = free()
    result = ask(f"127.0.0.1:{number}", f"tcp://127.0.0.1:{number}", ":0", ":0")

    assert result.codes == ("BC405",)
    assert result.outcome(f"port.tcp://127.0.0.1:{number}") is Outcome.FAILED


@pytest.mark.parametrize(
    ("bind", "server", "environ"),
    [
        ((), {}, {}),
        (("127.0.0.1:1",), {"reuse_port": True}, {}),
        (("127.0.0.1:1",), {}, {"GUNICORN_FD": "3"}),
        (("127.0.0.1:1",), {}, {"LISTEN_PID": str(os.getppid()), "LISTEN_FDS": "1"}),
    ],
    ids=["none", "reuse_port", "usr2", "systemd"],
)
def test_what_is_not_bound_is_not_tried(hold, bind, server, environ):
    """Shared and inherited sockets are skipped, with the reason."""
    result = ask(*bind, environ=environ, **server)

    assert result
    assert result.outcome("port") is Outcome.SKIPPED
    assert ask("fd://3").outcome("port.fd://3") is Outcome.SKIPPED


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("192.0.2.1:8000", "not an address of this machine"),
        ("no-such-host.invalid:8000", "does not resolve"),
        ("127.0.0.1:port", "not a number"),
        ("ü" * 70 + ".example:80", "is not a host name"),
        ("a\0b:80", "is not a host name"),
        ("unix:/" + "x" * 120, "longer than 107 bytes"),
        ("unix:/no/such/directory/app.sock", "does not exist: /no/such/directory"),
    ],
)
def test_addresses_that_cannot_be_bound(address, words):
    """Each reason has its own words."""
    result = ask(address)

    assert result.codes == ("BC407",)
    assert words in result.findings[0].summary
    assert result.outcome(f"port.{address}") is Outcome.FAILED


def test_a_live_unix_socket(hold, place):
    """Gunicorn would take the file away from the server that listens there."""
    pid, _ = hold(f"{place}/app.sock")
    result = ask(f"unix:{place}/app.sock")

    assert result.codes == ("BC405",)
    assert f"pid {pid}" in result.findings[0].summary
    assert "take its socket's file away" in result.findings[0].summary


def test_a_stale_unix_socket_is_no_alarm(place):
    """A file that a dead server left is replaced by Gunicorn."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{place}/app.sock")

    assert ask(f"unix:{place}/app.sock")
    assert os.listdir(place) == ["app.sock"]


def test_a_live_unix_socket_of_another_namespace(place, monkeypatch):
    """A listener that the kernel's table does not show still answers."""
    monkeypatch.setattr("bootcheck.checks.port_holder.unix_sockets", lambda path: [])
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(f"{place}/app.sock")
        live.listen()
        result = ask(f"unix:{place}/app.sock")

    assert result.codes == ("BC405",)
    assert result.findings[0].missing


def test_a_file_in_the_place_of_the_socket(place):
    """Gunicorn refuses to replace what is no socket."""
    place.joinpath("app.sock").write_text("", encoding="utf-8")

    assert ask(f"unix:{place}/app.sock").codes == ("BC407",)


def test_a_directory_that_the_master_may_not_write(place):
    """It matters only where the master has the workers' user."""
    place.chmod(0o555)
    server = Server(bind=(f"unix:{place}/app.sock",))

    assert unprivileged(port(wait=0), depth=2, server=server).codes == ("BC408",)
    if not os.geteuid():
        assert unprivileged(port(wait=0), server=server)


@pytest.fixture
def low_port():
    """A free port for which one needs a right; skips where nobody does."""
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        most = int(file.read())
    if os.geteuid():
        pytest.skip("only root can give up rights")
    for number in range(most - 1, max(1, most - 60), -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", number))
            except OSError:
                continue
            return number
    pytest.skip("every port is free for all here")


def test_a_low_port_that_root_will_bind_is_no_alarm(low_port):
    """The master binds as root before the workers give its rights up."""
    server = Server(bind=(f"127.0.0.1:{low_port}",), uid=NOBODY)

    assert unprivileged(port(wait=0), server=server)


def test_a_low_port_without_the_right(low_port):
    """A master without root and without the capability is told so."""
    result = unprivileged(port(wait=0), depth=2, server=Server(bind=(f"127.0.0.1:{low_port}",)))

    assert result.codes == ("BC408",)
    assert result.outcome(f"port.127.0.0.1:{low_port}") is Outcome.FAILED
    assert "CAP_NET_BIND_SERVICE" in " ".join(result.findings[0].action)


def test_a_low_port_that_is_taken(low_port):
    """The workers' user may not bind it, and the kernel's table still tells that it is taken, and by whose uid."""
    with socket.create_server(("127.0.0.1", low_port)):
        result = unprivileged(port(wait=0), server=Server(bind=(f"127.0.0.1:{low_port}",)))

    assert result.codes == ("BC405",)
    assert "a process of uid 0" in result.findings[0].summary
    assert result.findings[0].missing


def test_a_family_that_is_switched_off(monkeypatch):
    """Without IPv6 the address is unusable, and the remedy is said."""

    def refuse(*_: object, **__: object) -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", refuse)
    result = ask("[::1]:8000")

    assert result.codes == ("BC407",)
    assert "0.0.0.0" in result.findings[0].action[0]


@pytest.mark.parametrize(
    ("addresses", "options", "match"),
    [
        (("h:port",), {}, "not a number"),
        (("a:1", "a:1"), {}, "twice"),
        (("",), {}, "empty"),
        ((), {"wait": -1}, "wait"),
        ((), {"wait": 301}, "wait"),
    ],
)
def test_options_are_validated(addresses, options, match):
    """An address that Gunicorn could not read is refused where it is written."""
    with pytest.raises(CheckOptionError, match=match):
        port(*addresses, **options)


def test_addresses_of_ones_own(hold):
    """A side port is asked for by its address, whatever Gunicorn binds."""
    _, number = hold("127.0.0.1")
    check = port(f"127.0.0.1:{number}", wait=0)

    assert run_check(check, server=Server(reuse_port=True)).codes == ("BC405",)
    assert check.subject == f"127.0.0.1:{number}"


def test_it_is_discovered_where_something_is_bound():
    """A server that inherits or shares its sockets has nothing to look for."""
    assert [check.subject for check in discover({}, Server(bind=(":0",)))] == [port().subject]
    assert list(discover({}, Server())) == []
    assert list(discover({}, Server(bind=(":0",), reuse_port=True))) == []
    assert Port.moment is Moment.PREFLIGHT
    assert port(wait=3).budget > 3
