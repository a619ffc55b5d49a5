"""What the operating system refuses, told by libraries and start scripts in types and words of their own."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, SITE, TERM, frame, raising, request, start

DENIED = (
    "docker.errors.DockerException: Error while fetching server API version: ('Connection aborted.', "
    "PermissionError(13, 'Permission denied'))",
    "redis.exceptions.ConnectionError: Error 13 connecting to unix socket: /run/redis.sock. Permission denied.",
    'duckdb.IOException: IO Error: Cannot open file "/srv/books.duckdb": Permission denied',
    "pyo3_runtime.PanicException: called `Result::unwrap()` on an `Err` value: Os { code: 13, kind: PermissionDenied }",
    "ValueError: cannot write the index (os error 13)",
    "shutil.Error: [('/srv/a', '/srv/b', \"[Errno 13] Permission denied: '/srv/b'\")]",
    "zmq.error.ZMQError: Permission denied (addr='ipc:///run/books')",
    "playwright._impl._errors.Error: BrowserType.launch: spawn /srv/chrome EACCES",
    "django.core.exceptions.ImproperlyConfigured: The folder /srv/media is not writable",
    "OSError: PermissionError at /srv/models while the model was fetched",
    "RuntimeError: no permission to write to /srv/data",
    "Exception: Failed to create /srv/data: check the folder's permissions",
    "psycopg2.OperationalError: could not connect to server: Permission denied\n"
    '\tIs the server running locally and accepting connections on Unix domain socket "/run/.s.PGSQL.5432"?',
    "django.db.utils.OperationalError: (2002, \"Can't connect to local MySQL server through socket '/run/db.sock' (13)\")",
)
ELSEWHERE = (
    ("backend-unavailable", "google.api_core.exceptions.PermissionDenied: 403 Permission denied on resource books."),
    ("backend-unavailable", "hvac.exceptions.Forbidden: permission denied, on get https://vault.books/v1/secret"),
    ("db-auth-failed", "psycopg2.errors.InsufficientPrivilege: permission denied for table books"),
    ("app-exception", "RuntimeError: the price of this book is not writable"),
    ("app-exception", "stripe.error.PermissionError: this key may not do that"),
)
GONE = (
    "xgboost.core.XGBoostError: [09:00:00] src/io.cc:209: Check failed: LocalFileSystem::Open: No such file or directory",
    "lmdb.Error: /srv/books.lmdb: No such file or directory",
    "polars.exceptions.ComputeError: No such file or directory (os error 2): books.csv",
    "lightgbm.basic.LightGBMError: Could not open books.txt",
    "onnxruntime.capi.onnxruntime_pybind11_state.NoSuchFile: [ONNXRuntimeError] : 3 : NO_SUCHFILE : Load model failed",
    "ValueError: Model path does not exist: /srv/books.gguf",
    "OSError: Can't load tokenizer for '/srv/books'. If you were trying to load it from elsewhere, say so.",
    "OSError: ./books does not appear to have a file named config.json.",
    "alembic.util.exc.CommandError: Path doesn't exist: '/srv/migrations'.",
    "pydantic_core._pydantic_core.ValidationError: 1 validation error for Books\nkey\n  Path does not point to a file "
    "[type=path_not_file, input_value='/srv/key.pem', input_type=str]",
    "Exception: Config file not found: /etc/books.yml",
    "ValueError: No config file found at /srv/books.toml",
    "AssertionError: /srv/books does not exist",
    "RuntimeError: could not save (os error 28)",
    "git.exc.NoSuchPathError: /srv/books",
)
NOT_GONE = (
    "ValueError: Missing path parameter in route /books/{id}",
    "ValueError: The model 'books-4' does not exist or you do not have access to it.",
    "RuntimeError: The MODEL_PATH environment variable is not set",
    "LookupError: No installed app with label 'books'.",
    "requests.exceptions.HTTPError: 404 Client Error: Not Found for url: https://books/model.json",
    "OSError: Unable to open file (file signature not found)",
)
SPENT = (
    "inotify.calls.InotifyError: Call failed (should not be -1): (-1) ERRNO=(24)",
    "zmq.error.ZMQError: Too many open files",
    "redis.exceptions.ConnectionError: Error 24 connecting to cache:6379. Too many open files.",
    'psycopg2.OperationalError: could not translate host name "db" to address: Too many open files',
    "pymongo.errors.AutoReconnect: [Errno 24] Too many open files",
    "pyo3_runtime.PanicException: no thread pool: ThreadPoolBuildError { kind: IOError(Os { code: 11 }) }",
    "RuntimeError: std::bad_alloc",
    "RuntimeError: [enforce fail at alloc_cpu.cpp:75] DefaultCPUAllocator: can't allocate memory",
)
SCRIPTS = (
    ("permission-denied", "mkdir: cannot create directory '/srv/data': Permission denied\n"),
    ("permission-denied", "web-1  | chown: /srv/data: Operation not permitted\nweb-1 exited with code 1\n"),
    ("permission-denied", "/docker-entrypoint.sh: 12: cannot create /srv/.env: Permission denied\n"),
    ("permission-denied", "sed: can't create temp file '/etc/gunicorn/books.confXXXX': Permission denied\n"),
    ("filesystem", "cp: error writing '/srv/books': No space left on device\n"),
    ("filesystem", "touch: cannot touch '/srv/books': Read-only file system\n"),
)


@pytest.mark.parametrize("error", DENIED)
def test_a_refusal_is_known_whoever_passes_it_on(error: str):
    """The system's number, its words, or the app's own about a path."""
    assert classes(told(raising(error))) == [("permission-denied", 1)]


@pytest.mark.parametrize(("cause_class", "error"), ELSEWHERE)
def test_what_another_machine_refuses_is_no_refusal_of_the_system(cause_class: str, error: str):
    """A service, a database's table, a right of the app's own."""
    assert classes(told(raising(error))) == [(cause_class, 1)]


@pytest.mark.parametrize("error", GONE)
def test_a_missing_file_is_known_whoever_tells_of_it(error: str):
    """Libraries have exceptions of their own for it, and apps their own words."""
    assert classes(told(raising(error))) == [("filesystem", 1)]


@pytest.mark.parametrize("error", NOT_GONE)
def test_what_is_missing_elsewhere_is_no_missing_file(error: str):
    """A part of an address, a remote model, a variable."""
    assert [name for name, _ in classes(told(raising(error)))] != ["filesystem"]


@pytest.mark.parametrize("error", SPENT)
def test_a_limit_is_known_whoever_meets_it(error: str):
    """Clients of databases and brokers pass the system's words on."""
    assert classes(told(raising(error))) == [("resource-limit", 1)]


@pytest.mark.parametrize(("cause_class", "text"), SCRIPTS)
def test_a_start_script_that_may_not_or_has_no_room(cause_class: str, text: str):
    """No server comes up after it."""
    assert classes(told(text)) == [(cause_class, 1)]


@pytest.mark.parametrize("text", [text for _, text in SCRIPTS])
def test_a_start_script_may_complain_before_a_server_that_is_well(text: str):
    """It went on."""
    first = text.replace("web-1 exited with code 1\n", "")

    assert classes(told(first + start() + GET + TERM)) == []
    assert classes(told(first + start().partition("sync\n")[2] + GET)) == []
    assert [name for name, _ in classes(told(first + raising("KeyError: 'SHELVES'")))] == ["env-config"]


@pytest.mark.parametrize(
    ("cause_class", "error"),
    [
        ("permission-denied", "django.db.utils.OperationalError: attempt to write a readonly database"),
        ("permission-denied", "PermissionError: [Errno 13] Permission denied: '/srv/media/cover.png'"),
        ("filesystem", "OSError: [Errno 28] No space left on device: '/srv/media/cover.png'"),
    ],
)
def test_what_fails_every_request_is_told(cause_class: str, error: str):
    """No process ends of it, and it does not go away by itself."""
    assert classes(told(request(error))) == [(cause_class, 1)]


def test_a_proxy_that_may_not_connect_at_all():
    """A security policy keeps it from ports as well as from sockets."""
    log = (
        "2026/11/27 09:00:00 [crit] 29#29: *1 connect() to 127.0.0.1:8000 failed (13: Permission denied) while "
        'connecting to upstream, client: 10.0.0.9, server: books, request: "GET / HTTP/1.1"\n'
    )

    assert classes(told(start() + log)) == [("permission-denied", 1)]


def test_a_proxys_refused_socket_without_the_words_before_it():
    """People copy a line from where the socket begins; of a socket that is missing it is a mere consequence."""
    line = "unix:/home/books/shelf/books.sock failed ({})\n"

    assert classes(told(line.format("13: Permission denied"))) == [("permission-denied", 1)]
    assert classes(told(line.format("2: No such file or directory"))) == []


@pytest.mark.parametrize(
    "error",
    [
        "ImportError: Bad git executable.\nThe git executable must be specified in one of these ways:",
        "pdf2image.exceptions.PDFInfoNotInstalledError: Unable to get page count. Is poppler installed and in PATH?",
        "RuntimeError: No ffmpeg exe could be found. Install ffmpeg on your system.",
    ],
)
def test_a_program_that_is_not_installed_is_no_missing_file(error: str):
    """What a library calls on is a package of the system."""
    assert classes(told(raising(error))) == [("dependency-missing", 1)]


def test_aix_lacks_a_symbol():
    """Its loader has words of its own, over several lines."""
    error = (
        "ImportError: rtld: 0712-001 Symbol libutil_flock was referenced\n      from module /pkgs/lib/fcntl.so(), but a\n"
        "            runtime definition of the symbol was not found."
    )

    assert [name for name, _ in classes(told(raising(error)))] == ["native-library"]


def test_a_socket_that_is_gone_when_a_worker_closes_it():
    """Gunicorn's own file: somebody else has removed it, or another worker."""
    log = raising(
        "FileNotFoundError: [Errno 2] No such file or directory: '/tmp/web.sock'",
        frame(SITE + "gunicorn/workers/gthread.py", "run", "s.close()"),
        frame(SITE + "gunicorn/sock.py", "close", "os.unlink(self.cfg_addr)"),
    )

    assert [name for name, _ in classes(told(log))] == ["filesystem"]
