"""What launchers, platforms and Gunicorn itself say of a server that does not come up or cannot be reached."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, TERM, frame, master, raising, start

SITE = "/venv/lib/python3.12/site-packages/"
NOT_STARTED = (
    "env: can't execute 'python': No such file or directory\n",
    "crun: executable file `gunicorn` not found in $PATH: No such file or directory\n",
    "Error: crun: open executable: Permission denied: OCI permission denied\n",
    'terminated: Application failed to start: "/bin/sh": could not find executable\n',
    "ERROR (catatonit:2): failed to exec pid1: No such file or directory\n",
    "chpst: fatal: unable to run: gunicorn: file does not exist\n",
    "s6-setuidgid: fatal: unknown user: books\n",
    "su-exec: setgroups: Operation not permitted\n",
    "systemd[1]: gunicorn.service: Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing.\n",
    "gunicorn.socket: Failed to resolve user books: No such process\n",
    "bash: newrelic-admin: command not found\n",
    "/bin/sh: 1: ddtrace-run: not found\n",
    "ddtrace-run: executable 'gunicorn' does not exist!\n",
    "./entrypoint.sh: line 2: $'\\r': command not found\n",
    "/opt/startup/startup.sh: 20: /opt/startup/startup.sh: startup.sh: not found\n",
    "FileNotFoundError: [Errno 2] No such file or directory: 'gunicorn'\n",
    "The program 'gunicorn' is currently not installed. You can install it by typing:\n",
    "gunicorn: ERROR (no such process)\n",
    "unix:///var/run/supervisor.sock no such file\n",
    "Failed to enable unit: Unit file gunicorn.service does not exist.\n",
    "Error: ImagePullBackOff\n",
    "bash: line 1: gunicorn books.wsgi: command not found\n",
    "/entrypoint.sh: line 9: /venv/bin/python3: Operation not permitted\n",
    "zsh: no such file or directory: ./venv/bin/gunicorn\n",
    "Driver Failure: failed to launch command with executor: rpc error: file gunicorn not found under path /srv\n",
)
SCRIPTS = (
    "run.sh: 4: source: not found\n",
    "./run.sh: 2: ./books.env: Shelf: not found\n",
    "/srv/books.env: line 7: Shelf: command not found\n",
    "/boot.sh: 1: set: Illegal option -o pipefail\n",
    "/boot.sh: set: line 1: illegal option -o pipefail\n",
    "/boot.sh: line 1: set: -: invalid option\n",
    '/boot.sh: 12: Syntax error: end of file unexpected (expecting "fi")\n',
    "/boot.sh: line 12: syntax error: unexpected end of file\n",
    "/boot.sh: line 3: unexpected EOF while looking for matching `\"'\n",
    "/boot.sh: line 3: export: `SHELF-SIZE=3': not a valid identifier\n",
    "/boot.sh: export: line 3: SHELF-SIZE: bad variable name\n",
    "/boot.sh: line 6: ${books.shelf}: bad substitution\n",
    "/boot.sh: 6: Bad substitution\n",
    "/boot.sh: 5: .: cannot open books.env: No such file\n",
    "/boot.sh: .: line 5: can't open 'books.env': No such file or directory\n",
    "/boot.sh: line 5: /venv/bin/activate: No such file or directory\n",
    "boot.sh:3: command not found: collect-books\n",
    "boot.sh:source:3: no such file or directory: books.env\n",
    "boot.sh:9: parse error near `fi'\n",
    "/bin/bash: -c: line 0: syntax error near unexpected token `('\n",
    "sh: 0: Can't open boot.sh\n",
    "bash: /srv/boot.sh: No such file or directory\n",
)
LOOPBACK = start().replace("0.0.0.0:8000", "127.0.0.1:8000")
FLY = (
    "WARNING The app is not listening on the expected address and will not be reachable by fly-proxy.\n"
    "You can fix this by configuring your app to listen on the following addresses:\n  - 0.0.0.0:{port}\n"
)
UNREACHED = (
    LOOPBACK + FLY.format(port=8000),
    start() + FLY.format(port=8080),
    start() + "ERROR failed health checks after 7 attempts with error Readiness probe failed: dial tcp 10.0.0.3:8080: "
    "connect: connection refused\n",
    LOOPBACK + "TCP health check failed on port 8000.\n",
    "Site's appCommandLine: gunicorn --bind=127.0.0.1:8000 books:app\n"
    "[2026-11-27 09:00:00 +0000] [11] [INFO] Booting worker with pid: 11\n"
    "Container books_0 didn't respond to HTTP pings on port: 8000, failing site start.\n",
    LOOPBACK + "Container books_0 did not start within expected time limit of 230s\n",
    LOOPBACK + "upstream connect error or disconnect/reset before headers, delayed connect error: 111\n",
    LOOPBACK + "(service web) (port 8000) is unhealthy in (target-group books) due to (reason Request timed out).\n",
    frame(SITE + "gunicorn/arbiter.py", "start", "self.LISTENERS = sock.create_sockets(self.cfg, self.log)")
    + frame(SITE + "gunicorn/sock.py", "bind", "sock.bind(self.cfg_addr)")
    + "socket.gaierror: [Errno -3] Temporary failure in name resolution\n",
    "Traceback (most recent call last):\n"
    + frame("/venv/bin/gunicorn", "<module>", "sys.exit(run())")
    + frame(SITE + "gunicorn/arbiter.py", "start", "self.LISTENERS = sock.create_sockets(self.cfg, self.log)")
    + frame(SITE + "gunicorn/sock.py", "bind", "sock.bind(self.cfg_addr)")
    + "TypeError: str, bytes or bytearray expected, not NoneType\n",
)
SOCK = frame(
    SITE + "gunicorn/sock.py", "create_sockets", "sock = socket.fromfd(fd, socket.AF_UNIX, socket.SOCK_STREAM)"
)
ARBITER = (
    "Traceback (most recent call last):\n"
    + frame("/venv/bin/gunicorn", "<module>", "sys.exit(run())")
    + frame(SITE + "gunicorn/arbiter.py", "start", "self.LISTENERS = sock.create_sockets(self.cfg, self.log, fds)")
)
LONG = "/srv/" + "books-of-the-old-library/" * 5 + "books.sock"
NO_SOCKET = (
    ARBITER + SOCK + frame("/usr/lib/python3.12/socket.py", "fromfd", "nfd = dup(fd)") + "OSError: [Errno 9] Bad file "
    "descriptor\n",
    ARBITER + SOCK + "OSError: [Errno 88] Socket operation on non-socket\n",
    ARBITER
    + frame(SITE + "gunicorn/sock.py", "set_options", "sock.bind(self.cfg_addr)")
    + "OSError: [Errno 22] Invalid argument\n",
    master(f"connection to {LONG} failed: AF_UNIX path too long\nCan't connect to {LONG}"),
    master(f"Retrying in 1 second.\nCan't connect to {LONG}").replace("23.0.0", "20.1.0"),
    master("Retrying in 1 second.\nCan't connect to /mnt/d/books/b.sock").replace("23.0.0", "20.1.0"),
    master("Retrying in 1 second.\nCan't connect to /vagrant/b.sock").replace("23.0.0", "20.1.0"),
    master("connection to /mnt/b.sock failed: [Errno 95] Operation not supported\nCan't connect to /mnt/b.sock"),
)
NO_ADDRESS = (
    ("permission-denied", ARBITER + SOCK + "PermissionError: [Errno 13] Permission denied\n"),
    ("resource-limit", ARBITER + SOCK + "OSError: [Errno 24] Too many open files\n"),
    (
        "permission-denied",
        master("connection to /run/b.sock failed: [Errno 13] Permission denied\nCan't connect to /run/b.sock"),
    ),
    ("permission-denied", master("Can't connect to /run/b.sock").replace("23.0.0", "20.1.0")),
    ("permission-denied", master("Can't connect to /mnt/books/b.sock").replace("23.0.0", "20.1.0")),
)
MODULES = (
    "\nError: No module named 'books.server_conf'\n",
    "\nError: No module named 'gunicorn.conf'\n",
    "\nError: cannot import name 'workers' from 'books.sizes' (/srv/books/sizes.py)\n",
    "\nError: name 'cores' is not defined\n",
    "\nError: invalid syntax (server_conf.py, line 3)\n",
)
REACHED = (
    start() + FLY.format(port=8000) + GET + TERM,
    start() + "Readiness probe failed: dial tcp 10.0.0.3:8080: connect: connection refused\n" + GET,
    LOOPBACK + GET + "did not start within expected time limit\n".replace("did not", "did") + TERM,
)
TAKEN = (
    "[Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use\n",
    "gunicorn.socket: Failed to create listening socket (/run/books.sock): Address already in use\n",
    "gunicorn.socket: Socket service gunicorn.service already active, refusing.\n",
)


@pytest.mark.parametrize("text", NOT_STARTED)
def test_gunicorn_was_not_started(text: str):
    """Containers' runtimes, small shells, supervisors and what changes the user have words of their own."""
    assert classes(told(text)) == [("launcher-error", 1)]


@pytest.mark.parametrize("text", SCRIPTS)
def test_a_start_script_fails_at_a_line_of_its_own(text: str):
    """As the shells say it, each in its own words."""
    assert classes(told("Collecting the books\n" + text)) == [("launcher-error", 1)]


@pytest.mark.parametrize("text", SCRIPTS)
def test_a_start_script_that_goes_on_has_done_no_harm(text: str):
    """Gunicorn starts afterwards, or something else is known to be wrong."""
    assert classes(told(text + start() + GET + TERM)) == []
    assert classes(told(text + raising("ModuleNotFoundError: No module named 'flask'"))) == [("dependency-missing", 1)]


@pytest.mark.parametrize("text", UNREACHED)
def test_nobody_reaches_the_address(text: str):
    """A platform that misses a listener, and one that binds where nobody asks."""
    assert [name for name, _ in classes(told(text))] == ["bad-bind-address"]


@pytest.mark.parametrize("text", NO_SOCKET)
def test_what_is_given_is_no_socket_that_can_be_bound(text: str):
    """A descriptor that is not open or is something else, and a path that is too long."""
    assert classes(told(text)) == [("bad-bind-address", 1)]


@pytest.mark.parametrize(("expected", "text"), NO_ADDRESS)
def test_what_fails_a_socket_otherwise_is_told_apart(expected: str, text: str):
    """It is refused, or there are too many."""
    assert classes(told(text)) == [(expected, 1)]


@pytest.mark.parametrize("text", MODULES)
def test_a_configuration_that_is_a_module_is_named_by_one_line(text: str):
    """Gunicorn prints no traceback of `-c python:MODULE`."""
    assert classes(told(text)) == [("config-file-error", 1)]


def test_such_a_line_below_a_server_that_runs_is_no_configuration():
    """It had been read."""
    assert "config-file-error" not in dict(classes(told(start() + MODULES[0] + GET + TERM)))


@pytest.mark.parametrize("text", REACHED)
def test_a_platform_that_asks_too_early_is_no_wrong_address(text: str):
    """The port is the one that is asked for, or requests are answered."""
    assert "bad-bind-address" not in dict(classes(told(text)))


@pytest.mark.parametrize("text", TAKEN)
def test_another_holds_the_address(text: str):
    """Uvicorn's and systemd's words for it."""
    assert classes(told(text)) == [("address-in-use", 1)]


def test_a_platform_that_misses_a_server_that_did_not_boot_tells_no_cause():
    """Its worker raised: the platform only sees that nothing listens."""
    log = raising("ModuleNotFoundError: No module named 'flask'") + FLY.format(port=8080)

    assert [name for name, _ in classes(told(log))] == ["dependency-missing"]


def test_the_end_of_a_worker_classs_traceback_is_known_by_its_bracket():
    """Gunicorn puts brackets around that one only."""
    log = f"{frame('/srv/x.py')}ModuleNotFoundError: No module named 'uvicorn'\n]\n"

    assert classes(told(log)) == [("worker-class-unavailable", 1)]


def test_arguments_in_a_variable_that_cannot_be_split_are_configuration():
    """A quote is missing in GUNICORN_CMD_ARGS."""
    log = (
        "Traceback (most recent call last):\n"
        + frame("/venv/bin/gunicorn", "<module>", "sys.exit(run())")
        + frame(SITE + "gunicorn/config.py", "get_cmd_args_from_env", "return shlex.split(os.environ[name])")
        + frame("/usr/lib/python3.12/shlex.py", "read_token", 'raise ValueError("No closing quotation")')
        + "ValueError: No closing quotation\n"
    )

    assert [name for name, _ in classes(told(log))] == ["config-file-error"]


def test_a_certificate_that_gevents_server_cannot_load_is_the_listeners():
    """No frame of Gunicorn is in such a traceback."""
    log = (
        start().replace("sync", "gevent")
        + "Traceback (most recent call last):\n"
        + frame(SITE + "gevent/server.py", "wrap_socket_and_handle", "with self.wrap_socket(client_socket) as sock:")
        + frame(SITE + "gevent/ssl.py", "__init__", "self._context.load_cert_chain(certfile, keyfile)")
        + "FileNotFoundError: [Errno 2] No such file or directory\n"
    )

    assert [name for name, _ in classes(told(log))] == ["tls-error"]


def test_ciphers_that_nobody_knows_are_the_listeners():
    """Uvicorn's worker sets them itself; those of an app's client are its own."""
    error = "ssl.SSLError: ('No cipher can be selected.',)"
    listener = frame(SITE + "uvicorn/config.py", "create_ssl_context", "ctx.set_ciphers(ciphers)")
    client = frame(SITE + "books/client.py", "connect", "context.set_ciphers(self.ciphers)")

    assert classes(told(raising(error, listener))) == [("tls-error", 1)]
    assert [name for name, _ in classes(told(raising(error, client)))] != ["tls-error"]


def test_a_server_of_the_apps_own_that_finds_its_port_taken_is_one_incident():
    """Its workers end with a status and without a word: of what was said beside them."""
    status = "[2026-11-27 09:00:0{at} +0000] [10] [ERROR] Worker (pid:1{at}) exited with code 1\n"
    boot = "[2026-11-27 09:00:0{at} +0000] [1{at}] [INFO] Booting worker with pid: 1{at}\n"
    words = "Address already in use\nPort 5000 is in use by another program.\n"
    log = start() + "".join((boot if at > 1 else "").format(at=at) + words + status.format(at=at) for at in (1, 2, 3))

    assert classes(told(log)) == [("address-in-use", 3)]


def test_a_worker_class_that_this_python_cannot_read_is_unavailable():
    """The file of a worker class does not compile."""
    place = f'  File "{SITE}gunicorn/workers/gold.py", line 3\n    from gunicorn.workers.async import Old\n'
    log = f"{place}                              ^\nSyntaxError: invalid syntax\n"

    assert classes(told(log)) == [("worker-class-unavailable", 1)]


@pytest.mark.parametrize("module", ["uvicorn_worker", "uvicorn.workers", "gunicorn.workers.gaiohttp"])
def test_a_module_that_holds_but_a_worker_class(module: str):
    """The last line of it is all that was copied."""
    assert classes(told(f"ModuleNotFoundError: No module named '{module}'\n")) == [("worker-class-unavailable", 1)]


def test_a_server_that_is_not_found_is_asked_for_again():
    """What a platform says before the next try is no script that goes on."""
    missing = "bash: line 1: gunicorn: command not found\n"

    assert classes(told(f"{missing}==> Running 'gunicorn books:app'\n{missing}")) == [("launcher-error", 1)]


def test_a_service_whose_command_ended_is_no_launcher_that_fails():
    """s6-rc says with which status: why, the app has said before."""
    log = raising("KeyError: 'SHELVES'") + "s6-rc: warning: unable to start service books: command exited 1\n"

    assert [name for name, _ in classes(told(log))] == ["env-config"]


@pytest.mark.parametrize(
    ("cause_class", "text"),
    [
        ("config-file-error", "\nError: environment setting 'BOOKS' invalid\n"),
        ("config-file-error", "\nError: Invalid reload_engine: 'books'\n"),
        ("config-file-error", "\nError: Can not load 'books' from 'shelf'\n"),
        ("bad-bind-address", "\nError: 'books' is not a valid file descriptor.\n"),
        ("filesystem", "\nError: '/srv/log' isn't writable [IsADirectoryError(21, 'Is a directory')]\n"),
        (
            "tls-error",
            start() + "[2026-11-27 09:00:01 +0000] [11] [ERROR] Failed to create SSL context: [SSL] PEM lib\n",
        ),
    ],
)
def test_gunicorns_own_refusals(cause_class: str, text: str):
    """What it says of an option's value, whose traceback it does not print."""
    assert classes(told(text)) == [(cause_class, 1)]
