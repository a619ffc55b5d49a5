"""What each signature must recognise, and what it must leave alone: texts as people meet them."""

from __future__ import annotations

START = (
    "[2026-11-27 09:00:00 +0000] [10] [INFO] Starting gunicorn {version}\n"
    "[2026-11-27 09:00:00 +0000] [10] [INFO] Listening at: http://0.0.0.0:8000 (10)\n"
    "[2026-11-27 09:00:00 +0000] [10] [INFO] Using worker: sync\n"
    "[2026-11-27 09:00:00 +0000] [11] [INFO] Booting worker with pid: 11\n"
)
_FRAMES = (
    "Traceback (most recent call last):\n"
    '  File "/venv/lib/python3.12/site-packages/gunicorn/arbiter.py", line 608, in spawn_worker\n    worker.init_process()\n'
    '  File "/venv/lib/python3.12/site-packages/gunicorn/util.py", line 370, in import_app\n    mod = importlib.import_module(module)\n'
)
_APP = '  File "/srv/shop/wsgi.py", line 4, in <module>\n    {code}\n'
END = (
    "[2026-11-27 09:00:01 +0000] [11] [INFO] Worker exiting (pid: 11)\n"
    "[2026-11-27 09:00:01 +0000] [10] [ERROR] Worker (pid:11) exited with code 3\n"
    "[2026-11-27 09:00:01 +0000] [10] [ERROR] Shutting down: Master\n"
    "[2026-11-27 09:00:01 +0000] [10] [ERROR] Reason: Worker failed to boot.\n"
)
TERM = "[2026-11-27 09:05:00 +0000] [10] [INFO] Handling signal: term\n[2026-11-27 09:05:00 +0000] [10] [INFO] Shutting down: Master\n"
GET = '10.0.0.9 - - [27/Nov/2026:09:01:00 +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n'


def start(version: str = "23.0.0") -> str:
    """Return the lines of a start with one worker."""
    return START.format(version=version)


def raising(error: str, *frames: str, code: str = "from shop import create_app") -> str:
    """Return the log of a worker whose import of the app raised."""
    head = "[2026-11-27 09:00:01 +0000] [11] [ERROR] Exception in worker process\n"
    return start() + head + _FRAMES + _APP.format(code=code) + "".join(frames) + error + "\n" + END


def by_gunicorn(error: str) -> str:
    """Return the log of a worker where gunicorn's own import of the target raised."""
    return (
        start()
        + "[2026-11-27 09:00:01 +0000] [11] [ERROR] Exception in worker process\n"
        + _FRAMES
        + error
        + "\n"
        + END
    )


def frame(path: str, function: str = "f", code: str = "pass") -> str:
    """Return a further frame."""
    return f'  File "{path}", line 9, in {function}\n    {code}\n'


def request(error: str) -> str:
    """Return the log of one request that raised, in a server that serves and stops."""
    trace = (
        "[2026-11-27 09:02:00 +0000] [11] [ERROR] Error handling request /orders\nTraceback (most recent call last):\n"
        '  File "/venv/lib/python3.12/site-packages/gunicorn/workers/sync.py", line 177, in handle_request\n    respiter = self.wsgi(environ)\n'
        '  File "/srv/shop/views.py", line 20, in orders\n    rows = query()\n'
    )
    return start() + GET + trace + error + "\n" + GET + TERM


def master(lines: str) -> str:
    """Return lines that a master of release 23 says while it tries to start."""
    head = "[2026-11-27 09:00:00 +0000] [10] "
    return f"{head}[INFO] Starting gunicorn 23.0.0\n" + "".join(
        f"{head}[ERROR] {line}\n" for line in lines.splitlines()
    )


def worker(*lines: str, version: str = "23.0.0", serving: bool = False) -> str:
    """Return a start and what the master says of its worker 11 a minute later."""
    head = "[2026-11-27 09:01:00 +0000] [10] "
    return start(version) + (GET if serving else "") + "".join(f"{head}{line}\n" for line in lines)


def timed_out(*batches: tuple[str, str], version: str = "20.1.0") -> str:
    """Return what is said of batches of two workers each, of which (booted, timed out) is known as HH:MM:SS."""
    pids = [(20 + 2 * number, 21 + 2 * number) for number in range(len(batches))]
    return start(version).partition("[2026-11-27 09:00:00 +0000] [11]")[0] + "".join(
        "".join(f"[2026-11-27 {booted} +0000] [{pid}] [INFO] Booting worker with pid: {pid}\n" for pid in pair)
        + "".join(f"[2026-11-27 {ended} +0000] [10] [CRITICAL] WORKER TIMEOUT (pid:{pid})\n" for pid in pair)
        for pair, (booted, ended) in zip(pids, batches, strict=True)
    )


SITE = "/venv/lib/python3.12/site-packages/"
NO_FLASK = "ModuleNotFoundError: No module named 'flask'"

POSITIVE: dict[str, tuple[str, ...]] = {
    "launcher_error": (
        "entrypoint.sh: 7: cd: can't cd to /srv/books\n",
        "node:events:502\n      throw er;\n\nError: spawn venv/bin/gunicorn ENOENT\n    at onErrorNT (node:internal:483:16)\n",
        "env: cannot change directory to '/srv/books/current': No such file or directory\n",
        "/usr/bin/timeout: failed to run command '/srv/venv/bin/serve': No such file or directory\n",
        "chroot: invalid user: 'books'\n",
        "/entrypoint.sh: line 3: cd: /srv/books: No such file or directory\n",
        "Nov 27 08:59:00 web systemd[1]: gunicorn.service: Main process exited, code=exited, status=203/EXEC\n"
        + start(),
        "The term 'gunicorn' is not recognized as the name of a cmdlet, function or program.\n",
        "Command 'gunicorn' not found, but can be installed with:\n\nsudo apt install gunicorn\n",
        "Error: Command not found: gunicorn\n",
        "/srv/entrypoint.sh: line 21: exec: gunicorn --bind 0.0.0.0:8000 shop:app: not found\n",
        "Unknown CMD, /usr/local/bin/gunicorn\n",
        "ERROR: for web  Cannot create container for service web: failed to chmod on /srv/data: permission denied\n",
        "web_1  | sudo: error in event loop: Operation not permitted\nweb_1 exited with code 1\n",
        "/usr/bin/python3: No module named gunicorn.__main__; 'gunicorn' is a package and cannot be directly executed\n",
        "web: ERROR (no such file)\n",
        "web      FATAL     can\u2019t find command \u2018/srv/venv/bin/gunicorn\u2019\n",
        "Nov 27 09:00:00 web systemd[1]: app.service: Failed to set up standard output: Permission denied\n",
        "Nov 27 09:00:00 web systemd[1]: app.service: Failed to run 'start' task: No such file or directory\n",
        "Nov 27 09:00:00 web systemd[1]: app.service: Unit configuration has fatal error, unit will not be started.\n",
        "s6-supervise web: warning: unable to spawn ./run: Permission denied\n",
        "start-stop-daemon: unable to start /usr/bin/gunicorn (No such file or directory)\n",
        "ERROR: failed to launch: determine start command: there is no default process\n",
        "[PM2][ERROR] Script not found: /srv/shop/gunicorn\n",
        "Fatal Python error: init_fs_encoding: failed to get the Python codec of the filesystem encoding\n"
        "ModuleNotFoundError: No module named 'encodings'\n",
        "/srv/venv/bin/gunicorn: /srv/venv/bin/python: bad interpreter: Permission denied\n",
        "sudo: unable to execute /srv/start.sh: No such file or directory\n",
        "Nov 27 09:00:00 web systemd[812]: app.service: Changing to the requested working directory failed: No such file\n"
        "Nov 27 09:00:00 web systemd[1]: app.service: Main process exited, code=exited, status=200/CHDIR\n",
        "Nov 27 09:00:00 web systemd[1]: app.service: Main process exited, code=exited, status=226/NAMESPACE\n",
        "app.service: Failed to determine user credentials: No such process\n",
        "[/etc/systemd/system/app.service:9] Executable path is not absolute, ignoring: gunicorn app:app\n",
        "  Condition: start condition failed at Fri 2026-11-27 09:00:00 UTC; 3min ago\n"
        "             └─ ConditionFileIsExecutable=/usr/bin/gunicorn3 was not met\n",
        "Failed to start app.service: Unit gunicorn.service not found.\n",
        "ERROR: for web  Cannot start service web: b'OCI runtime create failed: runc: starting container process caused "
        '"exec: \\\\"/srv/bin/gunicorn\\\\": stat /srv/bin/gunicorn: no such file or directory": unknown\'\n',
        'Error response from daemon: unable to start container process: exec: "./start.sh": permission denied: unknown\n',
        "exec /app/entrypoint.sh: no such file or directory\n",
        "standard_init_linux.go:228: exec user process caused: exec format error\n",
        "   2026-11-27T09:00:00.40+0100 [APP/PROC/WEB/0] ERR bash: gunicorn: command not found\n"
        "   2026-11-27T09:00:00.42+0100 [APP/PROC/WEB/0] OUT Exit status 127\n",
        "zsh: command not found: gunicorn\n",
        "error: Failed to spawn: `gunicorn`\n  Caused by: No such file or directory (os error 2)\n",
        "Container web called exit(127).\n",
        "/usr/bin/env: 'python3': No such file or directory\n",
        "2026-11-27 09:00:00,000 INFO spawnerr: unknown error making dispatchers for 'web': EACCES\n",
        "Traceback (most recent call last):\n"
        + frame("/usr/bin/gunicorn", "<module>", "from gunicorn.app.wsgiapp import run")
        + "ModuleNotFoundError: No module named 'gunicorn'\n",
        "Nov 27 09:00:00 web systemd[812]: app.service: Failed at step EXEC spawning /srv/venv/bin/gunicorn: No such file or directory\n"
        "Nov 27 09:00:00 web systemd[1]: app.service: Main process exited, code=exited, status=203/EXEC\n",
        "2026-11-27T09:00:00.1+00:00 app[web.1]: bash: line 1: gunicorn: command not found\n"
        "2026-11-27T09:00:00.2+00:00 heroku[web.1]: Process exited with status 127\n",
        'docker: Error response from daemon: OCI runtime create failed: exec: "gunicorn": executable file not found in $PATH: unknown.\n',
        "2026-11-27 09:00:00,000 INFO spawnerr: can't find command '/srv/venv/bin/gunicorn'\n",
        "/usr/bin/python3: No module named gunicorn\n",
        "exec /usr/local/bin/gunicorn: exec format error\n",
    ),
    "config_file_error": (
        start() + GET + "[2026-11-27 09:02:00 +0000] [10] [INFO] Handling signal: hup\n"
        "[2026-11-27 09:02:00 +0000] [10] [INFO] Hang up: Master\n"
        "Failed to read config file: /srv/gunicorn.conf.py\nTraceback (most recent call last):\n"
        + frame(SITE + "gunicorn/app/base.py", "get_config_from_filename", "spec.loader.exec_module(mod)")
        + frame("/srv/gunicorn.conf.py", "<module>", "workers = int(env.get('WORKERS', 2))")
        + "NameError: name 'env' is not defined\n",
        "\nError: class uri 'books.logs.BookLogger' invalid or not found: \n\n[Traceback (most recent call last):\n"
        + frame(SITE + "gunicorn/util.py", "load_class", "mod = importlib.import_module('.'.join(components))")
        + "ModuleNotFoundError: No module named 'books.logs'\n]\n",
        start()
        + GET
        + "[2026-11-27 09:02:00 +0000] [11] [ERROR] Exception in post_request hook\nTraceback (most recent call last):\n"
        + frame(SITE + "gunicorn/workers/sync.py", "handle_request", "self.cfg.post_request(self, req, environ, resp)")
        + frame("/srv/hooks.py", "post_request", "log(resp.code)")
        + "AttributeError: 'Response' object has no attribute 'code'\n"
        + GET,
        "RuntimeError: 'conf.py' doesn't exist\n",
        "usage: __main__.py [OPTIONS] [APP_MODULE]\n__main__.py: error: unrecognized arguments: --workerz 4\n",
        "Traceback (most recent call last):\n"
        + frame("/venv/bin/gunicorn", "<module>", "sys.exit(run())")
        + frame(SITE + "gunicorn/glogging.py", "setup", "dictConfig(config)")
        + frame("/usr/lib/python3.12/logging/config.py", "configure", "raise ValueError(")
        + "ValueError: Unable to configure formatter 'json'\n",
        "\nError: Error: log config '/srv/logging.ini' not found\n",
        "\nError: can't chdir to '/srv/gone'\n",
        "\nError: No application module specified.\n",
        "\nError: invalid literal for int() with base 10: 'sixty'\n",
        "Traceback (most recent call last):\n"
        + frame("/venv/bin/gunicorn", "<module>", "from gunicorn.app.wsgiapp import run")
        + frame(SITE + "gunicorn/config.py", "Workers", 'default = int(os.environ.get("WEB_CONCURRENCY", 1))')
        + "ValueError: invalid literal for int() with base 10: 'auto'\n",
        "Failed to read config file: conf.py\nTraceback (most recent call last):\n"
        f'  File "{SITE}gunicorn/app/base.py", line 111, in get_config_from_filename\n    spec.loader.exec_module(mod)\n'
        '  File "/srv/conf.py", line 2, in <module>\n    workers = cpus()\n'
        "NameError: name 'cpus' is not defined\n",
        "usage: gunicorn [OPTIONS] [APP_MODULE]\ngunicorn: error: argument -w/--workers: invalid int value: 'x'\n",
        "\nError: 'gunicorn.conf.py' doesn't exist\n",
        by_gunicorn("").replace(
            "    mod = importlib.import_module(module)\n\n",
            "    mod = importlib.import_module(module)\n"
            f'  File "{SITE}gunicorn/arbiter.py", line 9, in spawn_worker\n    self.cfg.post_worker_init(worker)\n'
            '  File "/srv/conf.py", line 8, in post_worker_init\n    warm()\nTypeError: warm() takes no arguments\n',
        ),
    ),
    "worker_class_unavailable": (
        "ImportError: Entry point ('gunicorn.workers', 'gevent') not found\n",
        "class uri 'tornado' invalid or not found:\n\n[Traceback (most recent call last):\n"
        f'  File "{SITE}gunicorn/util.py", line 142, in load_class\n    mod = import_module(x)\n'
        "ImportError: No module named tornado\n]\n",
        "\nError: class uri 'gevent' invalid or not found: \n\n[Traceback (most recent call last):\n"
        f'  File "{SITE}gunicorn/util.py", line 99, in load_class\n    mod = importlib.import_module(x)\n'
        "ModuleNotFoundError: No module named 'gevent'\n]\n",
        "\nError: class uri 'uvicorn.workers.UvicornWorker' invalid or not found: \n\n[Traceback (most recent call last):\n"
        f'  File "{SITE}gunicorn/util.py", line 99, in load_class\n    mod = importlib.import_module(x)\n'
        "ModuleNotFoundError: No module named 'uvicorn'\n]\n",
    ),
    "native_library": (
        raising(
            "RuntimeError: CUDA Setup failed despite GPU being available. Inspect the output and look for libraries"
        ),
        raising("OSError: sndfile library not found"),
        raising('django.core.exceptions.ImproperlyConfigured: Could not find the GDAL library (tried "gdal").'),
        raising("OSError: Could not find lib geos_c or load any of its variants ['libgeos_c.so']."),
        raising("OSError: [WinError 126] The specified module could not be found"),
        raising("FileNotFoundError: Could not find module 'libvips-42.dll' (or one of its dependencies)."),
        raising("ModuleNotFoundError: No module named '_sqlite3'"),
        raising(
            "ImportError: pycurl: libcurl link-time ssl backends (openssl) do not include compile-time ssl backend"
        ),
        raising("RuntimeError: Failed to load shared library '/srv/libllama.so'"),
        "web_1  | Error loading shared library libpython3.8.so.1.0: No such file or directory (needed by /usr/bin/python3)\n"
        "web_1 exited with code 127\n",
        "Traceback (most recent call last):\n"
        + frame("/usr/local/bin/gunicorn", "<module>", "from gunicorn.app.wsgiapp import run")
        + frame(SITE + "gunicorn/socketfromfd.py", "<module>", "raise OSError('libc not found')")
        + "OSError: libc not found\n",
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory\n",
        "gunicorn: /lib/x86_64-linux-gnu/libm.so.6: version `GLIBC_2.35' not found (required by /venv/bin/python)\n",
        raising("ImportError: dlopen(/venv/x.so, 2): Symbol not found: _PyFloat_Type\n  Reason: image not found"),
        raising(
            "django.core.exceptions.ImproperlyConfigured: Error loading MySQLdb module.\nDid you install mysqlclient?"
        ).replace(
            "    from shop import create_app\n",
            "    from shop import create_app\nImportError: libmariadb.so.3: cannot open shared object file: No such file or directory\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n"
            + frame(SITE + "django/db/backends/mysql/base.py", "<module>", "raise ImproperlyConfigured("),
        ),
        raising(
            "pyodbc.Error: ('01000', \"[01000] [unixODBC][Driver Manager]Can't open lib 'ODBC Driver 17 for SQL Server' : file not found (0) (SQLDriverConnect)\")"
        ),
        raising(
            "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
            frame(SITE + "cv2/__init__.py"),
        ),
        raising(
            "ImportError: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /venv/x.so)"
        ),
        raising("ImportError: no pq wrapper available.\nAttempts made:\n- couldn't import psycopg 'c' implementation"),
        raising("OSError: /app/lib.so: wrong ELF class: ELFCLASS32"),
        "gunicorn: error while loading shared libraries: libpython3.11.so.1.0: cannot open shared object file\n",
    ),
    "tls_error": (
        "ssl.SSLError: [X509: KEY_VALUES_MISMATCH] key values mismatch (_ssl.c:4149)\n"
        "[2026-11-27 09:00:01 +0000] [11] [INFO] Worker exiting (pid: 11)\n",
        start()
        + "[2026-11-27 09:02:00 +0000] [11] [ERROR] Error handling request (no URI read)\nTraceback (most recent call last):\n"
        + frame(SITE + "gunicorn/workers/sync.py", "handle", "client = sock.ssl_wrap_socket(client, self.cfg)")
        + frame("/usr/lib/python3.12/ssl.py", "wrap_socket", "context.load_cert_chain(certfile, keyfile)")
        + "PermissionError: [Errno 13] Permission denied\n",
        raising("").partition('  File "/srv/shop')[0]
        + frame(
            SITE + "uvicorn/config.py", "create_ssl_context", "ctx.load_cert_chain(certfile, keyfile, get_password)"
        )
        + "ssl.SSLError: [X509: KEY_VALUES_MISMATCH] key values mismatch (_ssl.c:3900)\n",
        'ValueError: certfile "/etc/tls/cert.pem" does not exist\n',
        frame(SITE + "gunicorn/arbiter.py", "start", "self.LISTENERS = sock.create_sockets(self.cfg, self.log)")
        + frame(SITE + "gunicorn/sock.py", "create_sockets", "raise ValueError('keyfile \"%s\" does not exist' % x)"),
        master("").rstrip("\n")
        + "\nTraceback (most recent call last):\n"
        + frame("/venv/bin/gunicorn", "<module>", "sys.exit(run())")
        + frame(SITE + "gunicorn/arbiter.py", "start", "self.LISTENERS = sock.create_sockets(self.cfg, self.log)")
        + frame(SITE + "gunicorn/sock.py", "create_sockets", "raise ValueError(...)")
        + 'ValueError: keyfile "/etc/tls/key.pem" does not exist\n',
        start()
        + "[2026-11-27 09:01:00 +0000] [11] [WARNING] Invalid request from ip=10.0.0.9: [SSL] PEM lib (_ssl.c:3916)\n"
        + TERM,
    ),
    "address_in_use": (
        "\nError: Already running on PID 7 (or pid file '/run/books.pid' is stale)\n",
        "socket.error: [Errno 98] Address already in use\n",
        "docker: Error response from daemon: driver failed programming external connectivity on endpoint web: "
        "Bind for 0.0.0.0:8000 failed: port is already allocated.\n",
        "Address already in use\nPort 5000 is in use by another program.\n",
        "[2026-11-27 09:00:00 +0000] [9] [ERROR] Retrying in 1 second.\n"
        "[2026-11-27 09:00:01 +0000] [9] [ERROR] Can't connect to ('10.0.0.1', 8000)\n"
        + master("Connection in use: ('10.0.0.1', 8000)\nRetrying in 1 second.\nConnection in use: ('10.0.0.1', 8000)"),
        master("Connection in use: ('0.0.0.0', 8000)\nRetrying in 1 second.\nCan't connect to ('0.0.0.0', 8000)"),
        raising("OSError: [Errno 98] Address already in use", code="server.bind(('', 9000))"),
        # the log goes on with the server that holds it
        master("Connection in use: ('0.0.0.0', 8000)\nCan't connect to ('0.0.0.0', 8000)")
        + "[2026-11-27 09:00:04 +0000] [8] [INFO] Booting worker with pid: 8\n"
        + GET
        + TERM.replace("[10]", "[7]"),
    ),
    "bad_bind_address": (
        start()
        + "2026-11-27 09:04:00 ERROR - Container web for site books did not start within expected time limit.\n"
        + "2026-11-27 09:04:00 ERROR - Container web didn't respond to HTTP pings on port: 8080, failing site start.\n",
        "Traceback (most recent call last):\n"
        + frame(SITE + "gunicorn/arbiter.py", "start", "self.LISTENERS = sock.create_sockets(self.cfg, self.log)")
        + frame(SITE + "gunicorn/sock.py", "bind", "sock.bind(self.cfg_addr)")
        + "socket.gaierror: [Errno -2] Name or service not known\n",
        master("connection to ('::', 8000) failed: [Errno 97] Address family not supported by protocol"),
        master("").rstrip("\n")
        + "\nTraceback (most recent call last):\n"
        + frame("/venv/bin/gunicorn", "<module>", "sys.exit(run())")
        + frame(SITE + "gunicorn/sock.py", "bind", "sock.bind(self.cfg_addr)")
        + "OSError: AF_UNIX path too long\n",
        start() + "2026-11-27T09:01:00.1+00:00 heroku[web.1]: Error R10 (Boot timeout) -> Web process failed to bind "
        "to $PORT within 60 seconds of launch\n",
        start().replace("0.0.0.0", "127.0.0.1")
        + 'Default STARTUP TCP probe failed 1 time consecutively for container "web" on port 8000. The instance was '
        "not started.\n",
        start().replace("0.0.0.0", "127.0.0.1")
        + "Liveness probe failed: dial tcp 10.1.2.3:8000: connect: connection refused\n",
        start().replace("0.0.0.0", "127.0.0.1") + "curl: (56) Recv failure: Connection reset by peer\n",
        "Site's appCommandLine: gunicorn --bind=127.0.0.1:8000 app:app\n" + start().replace("0.0.0.0", "127.0.0.1"),
        start().replace("0.0.0.0", "127.0.0.1") + "1/1 replicas never became healthy!\nHealthcheck failed!\n",
        master("Retrying in 1 second.\nRetrying in 1 second.\nCan't connect to ('ind=0.0.0.0', 80)"),
        start() + "The user-provided container failed to start and listen on the port defined by PORT=8080\n",
        start().replace("0.0.0.0", "127.0.0.1")
        + "Container web didn't respond to HTTP pings on port: 8000, failing site start.\n",
        start().replace("0.0.0.0", "127.0.0.1")
        + "2026-11-27T09:01:00Z proxy[e784] fra [error] [PC01] instance refused connection. is your app listening on 0.0.0.0:8080? make sure it is not only listening on 127.0.0.1\n",
        master("").rstrip("\n")
        + "\nTraceback (most recent call last):\n"
        + frame("/venv/bin/gunicorn", "<module>", "sys.exit(run())")
        + frame(SITE + "gunicorn/arbiter.py", "start", "self.LISTENERS = sock.create_sockets(self.cfg, self.log, fds)")
        + frame(SITE + "gunicorn/sock.py", "bind", "sock.bind(self.cfg_addr)")
        + "OverflowError: bind(): port must be 0-65535.\n",
        master(
            "connection to ('10.9.9.9', 8000) failed: [Errno 99] Cannot assign requested address\nCan't connect to ('10.9.9.9', 8000)"
        ),
        "\nError: '$PORT' is not a valid port number.\n",
        start().replace("0.0.0.0", "127.0.0.1")
        + "==> No open ports detected, continuing to scan...\n==> Port scan timeout reached, no open ports detected.\n",
    ),
    "permission_denied": (
        start()
        + "2026/11/27 09:00:00 [crit] 29#29: *1 connect() to unix:/srv/shop.sock failed (13: Permission denied) "
        "while connecting to upstream\n",
        raising("django.db.utils.OperationalError: attempt to write a readonly database"),
        "    Error: Error: '/var/log/shop.log' isn't writable [IOError(13, 'Permission denied')]\n",
        master("Retrying in 1 second.\nRetrying in 1 second.\nCan't connect to /run/shop/gunicorn.sock"),
        raising("PermissionError: [Errno 13] Permission denied: '/var/log/shop.log'"),
        raising("ValueError: Unable to configure handler 'file': [Errno 13] Permission denied: '/var/log/shop.log'"),
        master("connection to ('0.0.0.0', 80) failed: [Errno 13] Permission denied\nCan't connect to ('0.0.0.0', 80)"),
    ),
    "filesystem": (
        "cp: error writing '/srv/books': No space left on device\n",
        raising("OSError: Unable to open file (name = 'm.h5', errno = 2, error message = 'No such file or directory')"),
        raising("OSError: No file or directory found at /srv/m.h5"),
        raising("OSError: [Errno 26] Text file busy: '/srv/tmp8s' -> 'shop.pid'", code="os.rename(fname, self.fname)"),
        raising("RuntimeError: Directory 'static' does not exist"),
        raising("google.auth.exceptions.DefaultCredentialsError: File /srv/key.json was not found."),
        master("Unhandled exception in main loop").replace("[ERROR] Unhandled", "[INFO] Unhandled")
        + "Traceback (most recent call last):\n"
        + frame(SITE + "gunicorn/arbiter.py", "run", "self.manage_workers()")
        + frame(SITE + "gunicorn/workers/workertmp.py", "__init__", "fd, name = tempfile.mkstemp()")
        + "FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/app']\n"
        + master("Unhandled exception in main loop")
        + "Traceback (most recent call last):\n"
        + frame(SITE + "gunicorn/arbiter.py", "run", "self.manage_workers()"),
        "\nError: Error: '/srv/gone/error.log' isn't writable [FileNotFoundError(2, 'No such file or directory')]\n",
        "\nError: /srv/gone doesn't exist. Can't create pidfile.\n",
        raising("FileNotFoundError: [Errno 2] No such file or directory: '/etc/shop.yaml'"),
        raising("OSError: [Errno 30] Read-only file system: '/app/cache'"),
        raising("FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp']"),
        raising("sqlite3.OperationalError: unable to open database file"),
    ),
    "resource_limit": (
        "OpenBLAS blas_thread_init: pthread_create failed for thread 14 of 24: Resource temporarily unavailable\n"
        + raising("KeyboardInterrupt", frame(SITE + "numpy/core/__init__.py", "<module>", "from . import multiarray")),
        "OpenBLAS blas_thread_init: pthread_create: Resource temporarily unavailable\n",
        "libgomp: Thread creation failed: Resource temporarily unavailable\n",
        "OMP: Error #34: System unable to allocate necessary resources for OMP thread:\n",
        start() + "terminate called after throwing an instance of 'std::system_error'\n"
        "  what():  Resource temporarily unavailable\n"
        + worker("[ERROR] Worker (pid:11) was sent SIGABRT!")[len(start()) :],
        raising("pyo3_runtime.PanicException: failed to spawn thread: Os { code: 11, kind: WouldBlock }"),
        "bash: fork: Cannot allocate memory\n",
        raising("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 3.05 GiB for an array"),
        raising("OSError: [Errno 28] inotify watch limit reached"),
        start() + GET + "[2026-11-27 09:02:00 +0000] [11] [ERROR] Exception in thread Thread-9\n"
        "RuntimeError: can't start new thread\n",
        request("ValueError: filedescriptor out of range in select()"),
        "Nov 27 09:00:00 web kernel: cgroup: fork rejected by pids controller in /system.slice/app.service\n",
        frame(SITE + "gevent/baseserver.py", "_do_read") + "error: [Errno 24] Too many open files\n",
        raising("OSError: [Errno 24] Too many open files: '/srv/a'"),
        raising("RuntimeError: can't start new thread"),
        request("OSError: [Errno 24] Too many open files"),
    ),
    "illegal_instruction": (
        "qemu: uncaught target signal 4 (Illegal instruction) - core dumped\n",
        "2026-11-27 09:00:00,000 INFO exited: gunicorn (terminated by SIGILL; not expected)\n",
        "Intel MKL FATAL ERROR: This system does not meet the minimum requirements for use of the Intel(R) MKL.\n",
        "Illegal instruction: 4\n",
        "EXIT:132\n",
        raising(
            "RuntimeError: NumPy was built with baseline optimizations: \n(X86_V2) but your machine doesn't support:\n(X86_V2)."
        ),
        "F tensorflow/core/platform/cpu_feature_guard.cc:37] The TensorFlow library was compiled to use AVX instructions, "
        "but these aren't available on your machine.\nAborted (core dumped)\n",
        "Uncaught signal: 4, pid=8, tid=8, fault_addr=0.\n",
        "Nov 27 09:00:00 web systemd[1]: app.service: Main process exited, code=dumped, status=4/ILL\n",
        "web-1 exited with code 132\n",
        worker("[ERROR] Worker (pid:11) was sent SIGILL!"),
        worker("[WARNING] Worker with pid 11 was terminated due to signal 4", version="20.1.0"),
        worker("[ERROR] Worker (pid:11) was sent code 132!"),
        "start.sh: line 3:    11 Illegal instruction     (core dumped) gunicorn shop:app\n",
    ),
    "native_crash": (
        worker("[ERROR] Worker (pid:11) was sent SIGTRAP!"),
        "zsh: segmentation fault  gunicorn shop:app\n",
        "*** stack smashing detected ***: terminated\n",
        "libc++abi: terminating due to uncaught exception of type std::runtime_error\n",
        "Fatal Python error: gilstate_tss_set: failed to set current tstate (TSS)\n",
        "gunicorn: pthread_mutex_lock.c:81: __pthread_mutex_lock: Assertion `mutex->__owner == 0' failed.\n",
        worker("[ERROR] Worker (pid:11) was sent SIGKILL! Perhaps out of memory?").replace(
            "[2026-11-27 09:01:00",
            "objc[11]: +[NSString initialize] may have been in progress in another thread when fork() was called. We "
            "cannot safely call it or ignore it in the fork() child process. Crashing instead.\n[2026-11-27 09:01:00",
            1,
        ),
        "objc[11]: +[NSString initialize] may have been in progress in another thread when fork() was called.\n"
        "[2026-11-27 09:00:01 +0000] [12] [INFO] Booting worker with pid: 12\n",
        "Nov 27 09:00:00 web systemd[1]: app.service: Main process exited, code=killed, status=6/ABRT\n",
        "web-1 exited with code 134\n",
        "Nov 27 09:00:00 web kernel: traps: gunicorn[812] general protection fault ip:7f sp:7f error:0 in x.so\n",
        worker("[ERROR] Worker (pid:11) was sent SIGSEGV!"),
        worker("[ERROR] Worker (pid:11) was sent code 139!"),
        worker("[WARNING] Worker with pid 11 was terminated due to signal 6", version="20.1.0"),
        "Nov 27 09:00:00 web kernel: gunicorn[812]: segfault at 0 ip 00007f1 sp 00007ff error 4 in _umath.so\n",
    ),
    "oom_kill": (
        "/srv/start.sh: line 3:     7 Killed                  gunicorn shop:app\n",
        "==> Out of memory (used over 512Mi)\n",
        "Exceeded hard memory limit of 256 MiB with 260 MiB\n",
        "2026-11-27 09:00:00,000 INFO exited: gunicorn (terminated by SIGKILL; not expected)\n",
        worker("[ERROR] Worker (pid:11) was sent SIGKILL! Perhaps out of memory?", serving=True),
        worker("[WARNING] Worker with pid 11 was terminated due to signal 9", version="20.1.0"),
        start() + "Nov 27 09:00:30 web kernel: Out of memory: Killed process 11 (gunicorn) total-vm:9kB\n",
        "2026-11-27T09:00:00.2+00:00 heroku[web.1]: Error R15 (Memory quota vastly exceeded)\n",
    ),
    "monkey_patch_late": (
        start()
        + "/srv/conf.py:1: MonkeyPatchWarning: Monkey-patching ssl after ssl has already been imported may lead to errors\n"
        + TERM,
        request("RecursionError: maximum recursion depth exceeded").replace(
            '  File "/srv/shop/views.py"',
            '  File "/usr/local/lib/python3.12/ssl.py", line 599, in options\n    super()\n  File "/srv/shop/views.py"',
        ),
    ),
    "app_not_found": (
        start()
        + "[2026-11-27 09:02:00 +0000] [11] [ERROR] Error handling request /\nTraceback (most recent call last):\n"
        + frame(
            SITE + "gunicorn/workers/sync.py", "handle_request", "respiter = self.wsgi(environ, resp.start_response)"
        )
        + frame(SITE + "werkzeug/local.py", "__call__", "return self._get_current_object()(*a, **kw)")
        + frame(SITE + "flask/globals.py", "_find_app", "raise RuntimeError(_app_ctx_err_msg)")
        + "RuntimeError: Working outside of application context.\n",
        by_gunicorn("ImportError: Import by filename is not supported."),
        frame("<frozen importlib._bootstrap>", "_find_and_load")
        + "ModuleNotFoundError: No module named 'django_project'\n"
        + END,
        "==> Running 'gunicorn shop.wsgi:application --bind 0.0.0.0:$PORT'\nTraceback (most recent call last):\n...\n"
        "ModuleNotFoundError: No module named 'shop'\n==> Exited with status 1\n",
        "".join(
            frame("<frozen importlib._bootstrap>", step).replace("    pass\n", "")
            for step in ("_find_and_load_unlocked", "_call_with_frames_removed", "_gcd_import", "_find_and_load")
        )
        + "ModuleNotFoundError: No module named 'shop'\n"
        + END,
        "ModuleNotFoundError: No module named 'application'\n" + END,
        "$ gunicorn -w 4 shelf.web:create_app()\n" + by_gunicorn("ModuleNotFoundError: No module named 'shelf'"),
        "ModuleNotFoundError: No module named 'shelf'\n" + END + 'CMD ["gunicorn", "shelf.web:app", "-w", "2"]\n',
        by_gunicorn("ValueError: Empty module name"),
        by_gunicorn("ValueError: Empty module name"),
        by_gunicorn("TypeError: the 'package' argument is required to perform a relative import for '.wsgi'"),
        by_gunicorn("ModuleNotFoundError: No module named '<project>'"),
        'Error loading ASGI app. Could not import module "main".\n',
        frame("<frozen importlib._bootstrap>", "_find_and_load_unlocked").replace("    pass\n", "")
        + "ModuleNotFoundError: No module named 'shop.wsgi'\n"
        + END,
        by_gunicorn("ImportError: Failed to find application, did you mean 'shop/wsgi:app'?"),
        "Failed to find application: 'app'\n",
        by_gunicorn("NameError: name 'application' is not defined").replace(
            "NameError", '  File "<string>", line 1, in <module>\nNameError', 1
        ),
        "gunicorn.errors.HaltServer: <HaltServer 'App failed to load.' 4>\n",
        by_gunicorn("ImportError: No module named wsgi").replace(
            "    mod = importlib.import_module(module)\n", "......\n"
        ),
        by_gunicorn("ModuleNotFoundError: No module named 'wsgi'"),
        start()
        + "Failed to find attribute 'application' in 'wsgi'.\n"
        + END.replace("code 3", "code 4").replace("Worker failed to boot", "App failed to load"),
        by_gunicorn("gunicorn.errors.AppImportError: Failed to find application object 'app' in 'wsgi'"),
    ),
    "app_syntax_error": (
        by_gunicorn(
            "SyntaxError: Non-UTF-8 code starting with '\\xe9' in file /srv/a.py on line 3, but no encoding declared"
        ),
        by_gunicorn("ValueError: source code string cannot contain null bytes"),
        "SyntaxError: invalid syntax (shop.py, line 12)\n",
        "IndentationError: unindent does not match any outer indentation level\n",
        "SyntaxError: '(' was never closed\n",
        "    shelf = = 3\n            ^\nSyntaxError: invalid syntax\n",
        by_gunicorn(
            "  File \"/srv/shop/wsgi.py\", line 3\n    def app(\n           ^\nSyntaxError: '(' was never closed"
        ),
        by_gunicorn('  File "/srv/shop/wsgi.py", line 3\n    return\nIndentationError: unexpected indent'),
    ),
    "version_incompatible": (
        "Traceback (most recent call last):\n"
        + frame("/usr/bin/gunicorn", "<module>", "load_entry_point('gunicorn')()")
        + frame("/usr/lib/python2.5/site-packages/gunicorn/util.py", "closerange", "for fd in krange(low, high):")
        + "NameError: global name 'krange' is not defined\n",
        raising(
            "ImportError: cannot import name 'prices' from partially initialized module 'shelf' "
            f"(most likely due to a circular import) ({SITE}shelf/__init__.py)",
            frame(SITE + "shelf/web.py", "<module>", "from . import prices"),
        ),
        "AttributeError: 'HTMLParser' object has no attribute 'unescape'\n" + END,
        raising(
            "TypeError: Field() missing 1 required positional argument: 'default'",
            frame("/srv/shop/models.py", "Book", "title: str = Field(description='on its back')"),
        ),
        "TypeError: ForwardRef._evaluate() missing 1 required keyword-only argument: 'recursive_guard'\n" + END,
        raising("ModuleNotFoundError: No module named 'audioop'", frame(SITE + "discord/player.py", "<module>")),
        raising("ModuleNotFoundError: No module named 'tomllib'"),
        raising(
            "AttributeError: Can't get attribute '_Columns' on <module 'sklearn.compose' from '/venv/lib/python3.12/"
            "site-packages/sklearn/compose/__init__.py'>",
            code="model = pickle.load(file)",
        ),
        "TypeError: Throttle.__init__() got multiple values for argument 'key'\n" + END,
        raising(
            "AttributeError: 'Marshmallow' object has no attribute 'ModelSchema'", code="class Book(ma.ModelSchema):"
        ),
        raising("pymongo.errors.ConfigurationError: Unknown option loadMode"),
        raising(
            "AttributeError: 'Catalogue' object has no attribute 'shelves'", frame(SITE + "oldlib/views.py", "__init__")
        ),
        raising(
            "AttributeError: type object 'Token' has no attribute 'kinds'",
            frame(SITE + "oldlib/__init__.py", "<module>", "from .lexer import Lexer"),
            frame(SITE + "oldlib/lexer.py", "<module>", "KINDS = Token.kinds"),
            code="import oldlib",
        ),
        raising("NameError: name 'unicode' is not defined", code="NAME = unicode(name)"),
        raising("AttributeError: 'str' object has no attribute 'decode'", code="name = NAME.decode('utf-8')"),
        raising("ModuleNotFoundError: No module named 'flask.ext'", code="from flask.ext.mail import Mail"),
        raising("ModuleNotFoundError: No module named 'oldlib.compat'", frame(SITE + "oldlib/__init__.py", "<module>")),
        raising(
            "TypeError: Mailer.__init__() got an unexpected keyword argument 'proxy'", code="mail = Mailer(proxy=1)"
        ),
        raising("TypeError: create_engine() got an unexpected keyword argument 'encoding'"),
        raising(
            "TypeError: Descriptors cannot be created directly.\nIf this call came from a _pb2.py file, update it."
        ),
        raising("django.core.exceptions.ImproperlyConfigured: mysqlclient 1.4.3 or newer is required; you have 1.0.3."),
        raising("ImportError: tokens>=0.14,<0.19 is required for this module, but found tokens==0.20.1."),
        raising("ImportError: cannot import name url_decode", code="from werkzeug import url_decode"),
        raising(
            "AttributeError: can't set attribute", frame(SITE + "flask_sqlalchemy/__init__.py", "apply_driver_hacks")
        ),
        raising(
            "AssertionError: Class <class 'sqlalchemy.sql.elements.SQLCoreOperations'> directly inherits TypingOnly but has additional attributes {'__firstlineno__'}.",
            frame(SITE + "sqlalchemy/util/langhelpers.py"),
        ),
        raising("TypeError: unsupported operand type(s) for |: 'type' and 'NoneType'"),
        raising("TypeError: unsupported operand type(s) for |: 'types.GenericAlias' and 'NoneType'"),
        raising("TypeError: 'type' object is not subscriptable"),
        raising(
            "pydantic.errors.PydanticImportError: `BaseSettings` has been moved to the `pydantic-settings` package."
        ),
        raising(
            f"ImportError: cannot import name 'escape' from 'jinja2' ({SITE}jinja2/__init__.py)",
            frame(SITE + "flask/__init__.py", "<module>", "from jinja2 import escape"),
        ),
        raising("ModuleNotFoundError: No module named 'distutils'", frame(SITE + "old/__init__.py")),
        raising(
            "TypeError: __init__() got an unexpected keyword argument 'proxies'", frame(SITE + "openai/_client.py")
        ),
        raising("ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96, got 88"),
        raising("AttributeError: module 'collections' has no attribute 'Mapping'"),
    ),
    "dependency_missing": (
        raising(
            "ModuleNotFoundError: No module named 'pkg_resources'",
            frame(SITE + "shelf/version.py", "<module>", "import pkg_resources"),
        ),
        frame("<frozen importlib._bootstrap>", "_find_and_load")
        + "ModuleNotFoundError: No module named 'django_ses'\n"
        + END,
        start() + "ERROR: export of traces requires webkit[traces] or webkit[all].\n" + END,
        "  "
        + frame(SITE + "gunicorn/util.py", "import_app")
        + "ModuleNotFoundError: No module named 'drf_yasg'\n"
        + END,
        raising(
            'RuntimeError: Form data requires "python-multipart" to be installed.\nYou can pip install python-multipart'
        ),
        raising("ImportError: email-validator is not installed, run `pip install pydantic[email]`"),
        raising("ImportError: Missing optional dependency 'openpyxl'.  Use pip or conda to install openpyxl."),
        raising("AssertionError: jinja2 must be installed to use Jinja2Templates"),
        raising("OSError: [E050] Can't find model 'en_core_web_sm'. It doesn't seem to be a Python package."),
        raising(
            "ImportError: Couldn't import Django. Are you sure it's installed and on your PYTHONPATH environment variable?"
        ),
        raising(
            "django.core.exceptions.ImproperlyConfigured: Error loading MySQLdb module.\nDid you install mysqlclient?"
        ).replace(
            "    from shop import create_app\n",
            "    from shop import create_app\nModuleNotFoundError: No module named 'MySQLdb'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n"
            + frame(SITE + "django/db/backends/mysql/base.py", "<module>", "raise ImproperlyConfigured("),
        ),
        raising(NO_FLASK),
        raising("ImportError: No module named flask_cors"),
        raising("django.core.exceptions.ImproperlyConfigured: Error loading psycopg2 or psycopg module"),
        raising("sqlalchemy.exc.NoSuchModuleError: Can't load plugin: sqlalchemy.dialects:snowflake"),
    ),
    "app_import_error": (
        by_gunicorn(
            frame(SITE + "shelf/__init__.py", "<module>", "from .web import application")
            + frame(SITE + "shelf/web.py", "<module>", "from . import prices")
            + "ImportError: cannot import name 'prices' from partially initialized module 'shelf' "
            f"(most likely due to a circular import) ({SITE}shelf/__init__.py)"
        ),
        raising(
            "AttributeError: module 'books' has no attribute 'stock'",
            frame("/srv/books/stock.py", "<module>", "import books.prices"),
            frame("/srv/books/prices.py", "<module>", "LOWEST = books.stock.lowest()"),
        ),
        raising(
            "ModuleNotFoundError: No module named 'stock'\n\n"
            "During handling of the above exception, another exception occurred:\n\n"
            "Traceback (most recent call last):\n"
            + frame("/srv/books/wsgi.py", "<module>", "application = get_wsgi_application()")
            + frame(SITE + "django/apps/config.py", "create", "raise ImproperlyConfigured(")
            + "django.core.exceptions.ImproperlyConfigured: Cannot import 'stock'. "
            "Check that 'books.stock.apps.StockConfig.name' is correct.",
            frame(SITE + "django/apps/config.py", "create", "app_module = import_module(app_name)"),
        ),
        raising("ImportError: cannot import name 'Config' from 'config' (unknown location)"),
        raising(
            "AttributeError: module 'random' has no attribute 'choice' (consider renaming '/srv/shop/random.py' since it "
            "has the same name as the standard library module named 'random' and prevents importing that standard library "
            "module)"
        ),
        f"ModuleNotFoundError: No module named 'app.api.orders'\n{END}",
        frame(SITE + "django/conf/__init__.py", "__init__", "mod = importlib.import_module(self.SETTINGS_MODULE)")
        + frame("<frozen importlib._bootstrap>", "_find_and_load")
        + f"ModuleNotFoundError: No module named 'shop'\n{END}",
        raising("ModuleNotFoundError: No module named 'core'", frame(SITE + "django/apps/config.py", "create")),
        raising(
            "werkzeug.utils.ImportStringError: import_string() failed for 'LiveConfig'. Original exception:\n\n"
            "ModuleNotFoundError: No module named 'LiveConfig'",
            frame(SITE + "werkzeug/utils.py", "import_string", "__import__(import_name)"),
            code="app.config.from_object('LiveConfig')",
        ),
        raising("ModuleNotFoundError: No module named 'book_shop'", frame("/srv/book-shop/app/factory.py", "<module>")),
        raising("ModuleNotFoundError: No module named 'routes'", code="from routes import pages"),
        raising("SystemError: Parent module '' not loaded, cannot perform relative import"),
        raising(
            "django.core.exceptions.ImproperlyConfigured: The included URLconf 'shop.urls' does not appear to have any "
            "patterns in it. If you see valid patterns in the file then the issue is probably caused by a circular import."
        ),
        raising(
            "ImportError: Could not import settings 'conf.prod' (Is it on sys.path?): No module named prod",
            frame(SITE + "django/conf/__init__.py", "__init__"),
        ),
        raising(
            "ImportError: cannot import name 'db' from partially initialized module 'shop' (most likely due to a circular import) (/srv/shop/__init__.py)"
        ),
        raising("ModuleNotFoundError: No module named 'shop.settings'"),
        raising("ImportError: attempted relative import with no known parent package"),
        raising("ImportError: cannot import name 'create_app' from 'shop' (/srv/shop/__init__.py)"),
    ),
    "env_config": (
        raising(
            "NameError: name 'false' is not defined",
            '  File "<string>", line 1, in <module>\n',
            code="DEBUG = eval(os.getenv('SHOP_DEBUG'))",
        ),
        raising("shelves.errors.ShelfError: Invalid database engine: ''. Supported are sqlite and postgresql"),
        raising(
            "ValueError: invalid literal for int() with base 10: '10  # shelves'",
            frame(SITE + "environ/environ.py", "parse_value", "value = cast(value)"),
        ),
        "    value = cast(value)\nValueError: invalid literal for int() with base 10: '10  # shelves'\n",
        raising("botocore.exceptions.NoCredentialsError: Unable to locate credentials"),
        raising(
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for Shop\ndb_url\n  Field required",
            frame(SITE + "pydantic_settings/main.py", "__init__", "super().__init__("),
            frame(
                SITE + "pydantic/main.py", "__init__", "validated_self = self.__pydantic_validator__.validate_python("
            ),
        ),
        raising("pymongo.errors.InvalidURI: Username and password must be escaped according to RFC 3986"),
        raising("RuntimeError: No DATABASE_URL or DB_HOST set in environment"),
        raising("ValueError: Please provide MAIL_HOST"),
        "django.core.exceptions.ImproperlyConfigured: The setting must not be empty.\n"
        "[2026-11-27 09:00:01 +0000] [11] [INFO] Worker exiting (pid: 11)\n",
        raising("RuntimeError: SHOP_SECRET no está definido"),
        raising("AttributeError: 'NoneType' object has no attribute 'encode'", code="key = SHOP_SECRET.encode()"),
        raising("ValueError: test shop with live keys: use SHOP_URL=https://live.example or other keys"),
        raising("KeyError: 'TOKEN'"),
        raising('environs.EnvError: Environment variable "SHOP_URL" not set', frame(SITE + "environs/__init__.py")),
        raising('pydantic_settings.sources.SettingsError: error parsing value for field "hosts" from source "Env"'),
        raising(
            "AttributeError: 'NoneType' object has no attribute 'replace'", code="uri = uri.replace('postgres:', 'p:')"
        ),
        raising("ValueError: Not a boolean: maybe", frame(SITE + "decouple.py", "_cast_boolean")),
        raising("ValueError: Redis URL must specify one of the following schemes (redis://, rediss://, unix://)"),
        raising(
            "django.core.exceptions.ImproperlyConfigured: You're using the staticfiles app without having set the "
            "STATIC_ROOT setting to a filesystem path."
        ),
        raising("AttributeError: 'Settings' object has no attribute 'SHOP_URL'", frame(SITE + "lib/x.py", "<module>")),
        raising(
            "TypeError: int() argument must be a string, a bytes-like object or a real number, not 'NoneType'",
            code='PORT = int(os.getenv("SMTP_PORT"))',
        ),
        raising(
            "KeyError: 'SECRET_KEY'", frame("<frozen os>", "__getitem__"), code='SECRET = os.environ["SECRET_KEY"]'
        ),
        raising("django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty."),
        raising("sqlalchemy.exc.ArgumentError: Could not parse SQLAlchemy URL from given URL string"),
        raising(
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\ndatabase_url\n  Field required"
        ),
        raising("RuntimeError: STRIPE_API_KEY is not set"),
        raising("sqlalchemy.exc.NoSuchModuleError: Can't load plugin: sqlalchemy.dialects:postgres"),
        "\nError: DATABASE_URL must be set\n",
    ),
    "db_auth_failed": (
        "pymongo.errors.OperationFailure: bad auth : Authentication failed., full error: {'code': 8000}\n",
        raising("cx_Oracle.DatabaseError: ORA-28000: the account is locked"),
        raising('psycopg2.OperationalError: FATAL:  Peer authentication failed for user "shop"'),
        # The pool tells why only in its log; who waits for it is told that it took too long.
        raising("psycopg_pool.PoolTimeout: couldn't get a connection after 30.00 sec").replace(
            "Traceback (most",
            "error connecting in 'pool-1': connection failed: FATAL:  password authentication failed for user \"shop\"\n"
            "Traceback (most",
            1,
        ),
        raising("MySQLdb.OperationalError: (1130, \"Host '10.0.0.3' is not allowed to connect to this MySQL server\")"),
        raising("mysql.connector.errors.ProgrammingError: 1045 (28000): Access is not granted"),
        raising(
            'psycopg2.OperationalError: connection to server at "db" failed: FATAL:  password authentication failed for user "shop"'
        ),
        raising(
            "pymysql.err.OperationalError: (1045, \"Access denied for user 'shop'@'10.0.0.3' (using password: YES)\")"
        ),
        raising('psycopg.OperationalError: connection failed: FATAL:  database "shop" does not exist'),
    ),
    "db_too_many_connections": (
        raising("psycopg_pool.PoolTimeout: pool initialization incomplete after 4.0 sec").replace(
            "[2026-11-27 09:00:01",
            "error connecting in 'pool-1': connection failed: FATAL:  sorry, too many clients already\n[2026-11-27 09:00:01",
            1,
        ),
        raising("cx_Oracle.DatabaseError: ORA-12520: TNS:listener could not find available handler"),
        "(psycopg2.OperationalError) FATAL:  sorry, too many clients already\n",
        raising(
            'psycopg2.OperationalError: connection to server at "db" failed: FATAL:  sorry, too many clients already'
        ),
        raising('pymysql.err.OperationalError: (1040, "Too many connections")'),
        request("psycopg2.OperationalError: FATAL:  remaining connection slots are reserved for superusers"),
    ),
    "db_schema_missing": (
        raising('cx_Oracle.DatabaseError: ORA-00904: "T"."AGE": invalid identifier'),
        'psycopg2.errors.UndefinedTable: relation "books" does not\n',
        raising("sqlalchemy.exc.NoSuchTableError: users"),
        raising('psycopg2.errors.UndefinedTable: relation "users" does not exist\nLINE 1: select 1'),
        raising("django.db.utils.OperationalError: no such table: auth_user"),
        request(
            "sqlalchemy.exc.ProgrammingError: (pymysql.err.ProgrammingError) (1146, \"Table 'shop.users' doesn't exist\")"
        ),
    ),
    "db_forked_connection": (
        request('MySQLdb.ProgrammingError: (2014, "Commands out of sync; you can\'t run this command now")'),
        request(
            "sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) SSL error: decryption failed or bad record mac"
        ),
        request("psycopg2.DatabaseError: error with status PGRES_TUPLES_OK and no message from the libpq"),
        request("pymysql.err.OperationalError: (2014, 'Command Out of Sync')"),
        request(
            "pymysql.err.OperationalError: (2013, 'Lost connection to MySQL server during query ([SSL: "
            "SSLV3_ALERT_BAD_RECORD_MAC] sslv3 alert bad record mac (_ssl.c:2580))')"
        ),
        request(
            "pymysql.err.OperationalError: (2013, 'Lost connection to MySQL server during query ([SSL: "
            "WRONG_VERSION_NUMBER] wrong version number (_ssl.c:2580))')"
        ),
        request("psycopg2.OperationalError: SSL error: ssl/tls alert bad record mac"),
        request("psycopg.ProgrammingError: the last operation didn't produce records (command status: ROLLBACK)"),
        request("psycopg.InternalError: got no result from the query"),
        request("asyncpg.exceptions._base.InternalClientError: got result for unknown protocol state 3"),
        request("mysql.connector.errors.InterfaceError: Expected EOF packet"),
        request("IndexError: bytearray index out of range").replace("/srv/shop/views", SITE + "mysql/connector/utils"),
        request("struct.error: unpack_from requires a buffer of at least 3 bytes for unpacking 2 bytes").replace(
            "/srv/shop/views", SITE + "pymysql/protocol"
        ),
        request(
            "ssl.SSLError: [SSL: SSLV3_ALERT_BAD_RECORD_MAC] sslv3 alert bad record mac (_ssl.c:2580)\n\n"
            "The above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n"
            + frame(SITE + "asyncpg/connection.py", "fetchval")
            + "asyncpg.exceptions.ConnectionDoesNotExistError: connection was closed in the middle of operation"
        ),
    ),
    "db_unreachable": (
        "wait-for-it.sh: timeout occurred after waiting 15 seconds for db:5432\n",
        raising(
            "oracledb.exceptions.OperationalError: DPY-6005: cannot connect to database (CONNECTION_ID=ab=).\n"
            "[Errno 111] Connection refused"
        ),
        raising("ConnectionRefusedError: [Errno 111] Connect call failed ('172.18.0.2', 5432)"),
        raising(
            "psycopg2.OperationalError: certificate present, but not private key file",
            frame(SITE + "psycopg2/__init__.py", "connect", "conn = _connect(dsn, **kwasync)"),
        ),
        raising("psycopg_pool.PoolTimeout: pool initialization incomplete after 30.0 sec"),
        raising("pymongo.errors.ConfigurationError: The DNS query name does not exist: _mongodb._tcp.shop.example."),
        raising("neo4j.exceptions.ServiceUnavailable: Couldn't connect to localhost:7687"),
        raising("mysql.connector.errors.DatabaseError: 2003 (HY000): Can't connect to the server on 'db:3306' (111)"),
        raising(
            'Exception: no database: connection to server at "db" (10.0.0.3), port 5432 failed: Connection refused'
        ),
        raising("psycopg2.OperationalError: could not connect to server: Connection refused").replace(
            "    from shop import create_app\n",
            "    from shop import create_app\nModuleNotFoundError: No module named 'ujson'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n"
            + frame(SITE + "psycopg2/__init__.py", "connect", "conn = _connect(dsn)"),
        ),
        raising(
            'psycopg2.OperationalError: could not connect to server: Connection refused\n\tIs the server running on host "db"'
        ),
        raising("django.db.utils.OperationalError: (2002, \"Can't connect to server on 'db' (115)\")"),
        raising("pymongo.errors.ServerSelectionTimeoutError: db:27017: [Errno 111] Connection refused"),
        raising(
            "ConnectionRefusedError: [Errno 111] Connect call failed ('10.0.0.3', 5432)",
            frame(SITE + "asyncpg/connect_utils.py"),
        ),
    ),
    "backend_unavailable": (
        raising("RuntimeError: No books: initial connection to Elasticsearch failed. Make sure you run an instance"),
        "Redis is unavailable - sleeping\n",
        "Traceback (most recent call last):\n"
        + frame(SITE + "httpcore/_sync/connection_pool.py", "handle_request", "response = connection.handle_request(")
        + "httpcore.ConnectError: [Errno 111] Connection refused\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        "Traceback (most recent call last):\n"
        + frame(SITE + "gunicorn/arbiter.py", "__init__", "self.setup(app)")
        + frame(SITE + "gunicorn/util.py", "import_app", "mod = importlib.import_module(module)")
        + frame("/srv/books/wsgi.py", "<module>", "RATES = httpx.get(URL).json()")
        + frame(SITE + "httpx/_transports/default.py", "handle_request", "with map_httpcore_exceptions():")
        + "httpx.ConnectError: [Errno 111] Connection refused\n",
        raising("amqp.exceptions.NotAllowed: Connection.open: (530) NOT_ALLOWED - vhost shop not found"),
        raising("httpx.RemoteProtocolError: Server disconnected without sending a response."),
        raising("httpx.ConnectError: All connection attempts failed"),
        raising("aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host api:80 ssl:default"),
        raising("google.api_core.exceptions.PermissionDenied: 403 Permission denied on secret"),
        raising("NoAuthHandlerFound: No handler was ready to authenticate", frame(SITE + "boto/auth.py", "get_auth")),
        raising("error: [Errno 111] Connection refused", frame(SITE + "amqp/transport.py", "_connect")),
        raising("redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused."),
        raising("kombu.exceptions.OperationalError: [Errno 111] Connection refused"),
        raising(
            "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='vault', port=8200): Max retries exceeded"
        ),
    ),
    "app_startup_race": (
        raising(
            "OSError: [Errno 17] File exists: '/tmp/books'",
            frame("/usr/lib/python2.7/os.py", "makedirs", "mkdir(name, mode)"),
        ),
        raising("OSError: [Errno 39] Directory not empty: 'index.new' -> 'index'", code="os.replace(NEW, INDEX)"),
        raising("filelock._error.Timeout: The file lock '/tmp/x.lock' could not be acquired."),
        'psycopg2.errors.UniqueViolation: duplicate key value violates unique\nconstraint "books_pkey"\n' + END,
        raising("FileNotFoundError: [Errno 2] No such file or directory: 'setup.lock'", code="os.remove(LOCK)"),
        raising("zc.lockfile.LockError: Couldn't lock 'index.lock'"),
        raising("sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) table users already exists"),
        raising(
            'psycopg2.errors.UniqueViolation: duplicate key value violates unique constraint "pg_type_typname_nsp_index"'
        ),
        raising("FileExistsError: [Errno 17] File exists: '/srv/cache/model'"),
        request("NotImplementedError: Cannot copy out of meta tensor; no data!"),
    ),
    "ended_with_status": (
        "shop      FATAL      Exited too quickly (process log may have details)\n",
        "2026-11-27 09:00:00,000 INFO spawned: 'gunicorn' with pid 28\n"
        "2026-11-27 09:00:01,000 WARN exited: gunicorn (exit status 3; not expected)\n"
        "2026-11-27 09:00:02,000 INFO gave up: gunicorn entered FATAL state, too many start retries too quickly\n",
        "Nov 27 09:00:00 web systemd[1]: gunicorn.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED\n",
        "2026-11-27T09:00:00.2+00:00 heroku[web.1]: Process exited with status 3\n",
        "==> Exited with status 1\n",
    ),
    "boot_deadline": (),
    "boot_timeout": (
        worker("[CRITICAL] WORKER TIMEOUT (pid:11)", version="20.1.0", serving=True).replace(
            GET, " * Serving Flask app 'shop'\n" + GET
        ),
        start()
        + "2026-11-27T09:04:00.0Z ERROR - Container shop_0_a1 for site shop did not start within expected time limit. "
        "Elapsed time = 230.5 sec\n",
        start()
        + "2026-11-27T09:04:00.0Z ERROR - Container shop_0_a1 didn't respond to HTTP pings on port: 8000, failing "
        "site start. See container logs for debugging.\n",
        start()
        + 'Default STARTUP TCP probe failed 1 time consecutively for container "shop-1" on port 8000. The instance '
        "was not started.\n",
        start()
        + "Warning  Unhealthy  5s  kubelet  Startup probe failed: dial tcp 10.0.0.3:8000: connect: connection refused\n"
        + TERM,
        "".join(
            f"[2026-11-27 09:0{minute}:00 +0000] [{12 + minute}] [INFO] Booting worker with pid: {12 + minute}\n"
            f"[2026-11-27 09:0{minute}:30 +0000] [10] [CRITICAL] WORKER TIMEOUT (pid:{12 + minute})\n"
            for minute in range(3)
        ),
        timed_out(("09:00:00", "09:02:01")),
        timed_out(("09:00:00", "09:00:46"), ("09:00:47", "09:01:32")),
        # a machine so busy that the first one is noticed late, and at last it serves
        timed_out(("09:00:00", "09:00:39"), ("09:00:40", "09:01:11"), ("09:01:12", "09:01:43")) + GET + TERM,
        # the first one had started before the log begins
        "".join(
            f"[2026-11-27 09:0{minute}:29 +0000] [10] [CRITICAL] WORKER TIMEOUT (pid:{11 + minute})\n"
            f"[2026-11-27 09:0{minute}:30 +0000] [{12 + minute}] [INFO] Booting worker with pid: {12 + minute}\n"
            f"[2026-11-27 09:0{minute + 1}:00 +0000] [10] [CRITICAL] WORKER TIMEOUT (pid:{12 + minute})\n"
            for minute in (0, 3)
        ),
        "".join(f"[2026-11-27 09:00:30 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:{pid})\n" for pid in range(7, 12)),
        "2026-11-27T09:00:00.2+00:00 heroku[web.1]: Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 60 seconds of launch\n",
        "2026-11-27T09:01:00.1+00:00 heroku[web.1]: Error R10 (Boot timeout) -> Web process failed to bind in time\n"
        "2026-11-27T09:01:00.2+00:00 heroku[web.1]: Process exited with status 137\n",
        '{"Type":"Warning","Reason":"ProbeFailed","Msg":"Probe of StartUp failed with timeout in 1 seconds."}\n',
        "Launch timed out, workload was not healthy after 30 min\n" + start(),
        "Nov 27 09:00:00 web systemd[1]: app.service: start-pre operation timed out. Terminating.\n",
    ),
    "request_timeout": (
        worker(
            "[CRITICAL] WORKER TIMEOUT (pid:11)", "[ERROR] Worker (pid:11) was sent SIGKILL! Perhaps out of memory?"
        ),
        worker("[CRITICAL] WORKER TIMEOUT (pid:11)", version="20.1.0", serving=True),
        start() + GET + "Process terminated because the request deadline was exceeded. (Error code 123)\n",
        "2026-11-27T09:00:30.100Z 0a1b2c3d-aaaa-bbbb-cccc-0123456789ab Task timed out after 30.03 seconds\n",
        # the machine slept, or all of them waited for the same
        timed_out(("09:00:00", "12:47:10"), version="23.0.0")
        + "[2026-11-27 12:47:10 +0000] [20] [INFO] Worker exiting (pid: 20)\n",
        timed_out(("09:00:00", "12:47:10")),
        timed_out(("09:00:00", "09:04:47")),
        "".join(f"[2026-11-27 09:00:30 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:{pid})\n" for pid in range(7, 9)),
        "".join(f"[2026-11-27 09:0{pid}:30 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:{pid})\n" for pid in range(2, 9)),
    ),
    "stopped_by_platform": (
        start() + GET + "autoscaler: CPU 4% is below 30% for 10m\nautoscaler: terminating instance web-2\n" + TERM,
        start() + GET + "timeout: sending signal TERM to command '/srv/venv/bin/gunicorn'\n" + TERM,
        start()
        + '"GET /_ah/start HTTP/1.1" 403\n'
        + "Process terminated because it failed to respond to the start request with an HTTP status code of 200-299.\n"
        + TERM,
        start()
        + GET
        + 'LIVENESS HTTP probe failed 3 times consecutively for container "shop-1" on path "/health". The instance has been '
        "shut down.\n" + TERM,
        start() + GET + "Health check on port 8000 has failed. Your app is not responding properly.\n" + TERM,
        start()
        + "[2026-11-27 09:02:39,139] {cli.py:859} ERROR - No response from gunicorn master within 120 seconds\n"
        + TERM,
        "[2026-11-27 09:02:39,139] {cli.py:82} ERROR - [0 / 0] Some workers seem to have died and gunicorn did not restart "
        "them as expected\n",
        "Last State: Terminated\n  Reason: Error\n  Exit Code: 137\n"
        "Normal  Killing  6m  kubelet  Container api failed liveness probe, will be restarted\n",
        start()
        + "Warning  Unhealthy  5s  kubelet  Startup probe failed: HTTP probe failed with statuscode: 400\n"
        + TERM,
        start()
        + "Normal  Killing  5s  kubelet  Container api failed startup probe, will be restarted\nWarning  Unhealthy  5s  kubelet  Startup probe failed: HTTP probe failed with statuscode: 400\n"
        + TERM,
        start()
        + GET
        + 'Nov 27 09:04:58 node kubelet[3]: Liveness probe failed: Get "http://10.0.0.3:8000/health": context deadline exceeded\n'
        + TERM,
        "(service shop) (task 1) failed ELB health checks in (target-group x)\nTask failed ELB health checks in (target-group x)\n",
        start() + "Probe of Liveness failed with status code: 400\n" + TERM,
        "dependency failed to start: container shop-web-1 is unhealthy\n",
        start() + "Error: target failed to become healthy within configured timeout (30s)\n",
        start() + "New container is not healthy, rolling back to the old container.\n",
        start() + " !     Could not start due to 1 failed checks\n",
        "Process default has been unhealthy for 15 minutes (Target.FailedHealthChecks).\n",
        start()
        + GET
        + "Warning  Evicted  2m  kubelet  The node was low on resource: memory. Threshold: 100Mi\n"
        + TERM,
        start() + GET + "Normal  ScaleDown  2m  cluster-autoscaler  deleting pod for node scale down\n" + TERM,
        start()
        + "Health check 'servicecheck-00-http-8000' on port 8000 has failed. Your app is not responding.\n"
        + TERM,
        'dependency failed to start: container for service "web" is unhealthy\n',
        'ERROR: for proxy  Container "0123456789ab" is unhealthy.\n' + start(),
        "[web] ERROR component terminated with non-zero exit code: DeployContainerHealthChecksFailed\n",
        "2026-11-27T09:00:00.00+0000 [HEALTH/0] ERR Instance became unhealthy: Liveness check unsuccessful: no answer\n"
        "2026-11-27T09:00:01.00+0000 [APP/PROC/WEB/0] OUT [2026-11-27 09:00:01 +0000] [8] [INFO] Handling signal: term\n",
    ),
    "stopped_in_boot": (worker("[ERROR] Worker (pid:11) was sent SIGTERM!"),),
    "killed_from_outside": (),
    "vanished": (),
    "shutdown_timeout": (
        start() + GET + "Nov 27 09:06:30 web systemd[1]: gunicorn.service: State 'final-sigterm' timed out. Killing.\n",
        worker("[INFO] Handling signal: term")
        + "[2026-11-27 09:01:30 +0000] [10] [ERROR] Worker (pid:11) was sent SIGKILL! Perhaps out of memory?\n",
        worker("[INFO] Handling signal: term") + "[2026-11-27 09:01:30 +0000] [10] [INFO] Shutting down: Master\n",
        "Nov 27 09:00:00 web systemd[1]: app.service: State 'stop-sigterm' timed out. Killing.\n",
        # the next one has started when the platform tells of the end of the last one
        start()
        + "2026-11-27T09:00:30.1+00:00 heroku[web.1]: Error R12 (Exit timeout) -> At least one process failed to exit within "
        "30 seconds of SIGTERM\n2026-11-27T09:00:30.2+00:00 heroku[web.1]: Process exited with status 137\n",
        "Nov 27 09:00:00 web systemd[1]: app.service: State 'stop-final-sigterm' timed out. Skipping SIGKILL.\n",
        "Nov 27 09:00:00 web systemd[1]: app.service: Killing process 91 (gunicorn) with signal SIGKILL.\n"
        "Nov 27 09:00:00 web systemd[1]: app.service: Failed with result 'timeout'.\n",
        "Process with pid 91 still alive after 1600ms, sending it SIGKILL now...\n",
        "timeout: run: /etc/sv/shop: (pid 91) 100s, want down, got TERM\n",
        start() + "Gracefully stopping... (press Ctrl+C again to force)\nweb-1 exited with code 137\n",
    ),
    "sys_exit": (
        # An app that parses its arguments when it is imported: in a worker, under --preload, and twice.
        start()
        + "usage: gunicorn [-h] [--model MODEL]\ngunicorn: error: unrecognized arguments: -w 2 app:app\n"
        + "[2026-11-27 09:00:01 +0000] [11] [INFO] Worker exiting (pid: 11)\n"
        + "[2026-11-27 09:00:01 +0000] [10] [ERROR] Worker (pid:11) exited with code 2\n",
        "usage: gunicorn [-h] [--model MODEL]\n                [--device DEVICE]\n"
        "gunicorn: error: unrecognized arguments: --preload app:app\n" * 2,
        "".join(
            f"[2026-11-27 09:00:0{second} +0000] [{11 + second}] [INFO] Booting worker with pid: {11 + second}\n"
            f"[2026-11-27 09:00:0{second} +0000] [{11 + second}] [INFO] Worker exiting (pid: {11 + second})\n"
            for second in range(5)
        ),
    ),
    "silent_exit": (
        worker("[ERROR] Worker (pid:11) exited with code 1", "[ERROR] Worker (pid:11) exited with code 1."),
    ),
    "boot_exception": (raising("RuntimeError: the weights are damaged"), start() + END),
}

NEGATIVE: dict[str, tuple[str, ...]] = {
    "launcher_error": (
        "entrypoint.sh: 7: cd: can't cd to /srv/books\n" + start() + GET + TERM,
        start() + GET + "web: ERROR (spawn error)\n" + TERM,
        raising(NO_FLASK),
        start() + GET + "sh: ffmpeg: not found\n" + TERM,
        "nice: cannot set niceness: Permission denied\n" + start() + GET + TERM,
        start() + GET + "timeout: failed to run command 'ffmpeg': No such file or directory\n" + TERM,
        start() + "worker called a helper: exit status 127\n" + GET + TERM,
        raising("ModuleNotFoundError: No module named 'gunicorn_color'"),
    ),
    "config_file_error": (
        raising(
            "AttributeError: 'os.stat_result' object has no attribute 'S_IWUSR'",
            frame(SITE + "gunicorn/glogging.py", "setup", "perms = os.stat(name).S_IWUSR"),
        ),
        raising("ValueError: invalid literal for int() with base 10: 'sixty'"),
        "usage: gunicorn [-h] [--model MODEL]\ngunicorn: error: unrecognized arguments: --preload app:app\n",
        "\nError: the weights can't be read\n",
        raising(NO_FLASK),
        start() + "Error: the cache is cold\n" + GET + TERM,
        "\nError: the database is empty\n",
    ),
    "worker_class_unavailable": (
        raising("ModuleNotFoundError: No module named 'gevent'"),
        raising(
            'sqlalchemy.exc.ProgrammingError: (psycopg2.errors.DuplicateTable) relation "shelves" already exists\n\n'
            "[SQL: \nCREATE TABLE shelves (\n\tid SERIAL NOT NULL\n)\n\n]"
        ),
    ),
    "native_library": (
        raising("RuntimeError: image not found"),
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory\n" + start() + GET + TERM,
        raising("pyodbc.Error: ('08001', '[08001] Login timeout expired')"),
        raising("FileNotFoundError: [Errno 2] No such file or directory: 'libs/readme.so.txt'"),
    ),
    "tls_error": (
        start()
        + GET
        + "[2026-11-27 09:02:00 +0000] [11] [ERROR] Error handling request (no URI read)\nTraceback (most recent call last):\n"
        + frame(SITE + "gunicorn/workers/sync.py", "handle", "client = sock.ssl_wrap_socket(client, self.cfg)")
        + frame("/usr/lib/python3.12/ssl.py", "do_handshake", "self._sslobj.do_handshake()")
        + "ssl.SSLError: [SSL: SSLV3_ALERT_CERTIFICATE_UNKNOWN] sslv3 alert certificate unknown (_ssl.c:1000)\n"
        + GET
        + TERM,
        raising("requests.exceptions.SSLError: certificate verify failed"),
        start()
        + "[2026-11-27 09:01:00 +0000] [11] [WARNING] Invalid request from ip=10.0.0.9: [SSL: HTTP_REQUEST] http request\n"
        + TERM,
    ),
    "address_in_use": (
        master("Connection in use: ('0.0.0.0', 8000)\nRetrying in 1 second.") + start().partition("\n")[2] + GET + TERM,
    ),
    "bad_bind_address": (
        "Traceback (most recent call last):\n"
        + frame(SITE + "gunicorn/arbiter.py", "__init__", "self.setup(app)")
        + frame(SITE + "gunicorn/util.py", "import_app", "mod = importlib.import_module(module)")
        + frame("/srv/books/wsgi.py", "<module>", "connection.ensure_connection()")
        + "psycopg.OperationalError: failed to resolve host 'db.books': [Errno -2] Name or service not known\n",
        start().replace("8000", "34127") + "2026-11-27T09:01:00.1+00:00 heroku[web.1]: Error R10 (Boot timeout)\n",
        start() + "curl: (56) Recv failure: Connection reset by peer\n",
        "Site's appCommandLine: gunicorn --bind=0.0.0.0:8000 app:app\n" + start(),
        master("Retrying in 1 second.\nRetrying in 1 second.\nCan't connect to ('127.0.0.1', 8000)"),
        "Container web didn't respond to HTTP pings on port: 8000, failing site start.\n",
        start()
        + "2026-11-27T09:01:00Z proxy[e784] fra [error] instance refused connection. is your app listening on 0.0.0.0:8000?\n"
        + GET
        + TERM,
        master("Connection in use: ('0.0.0.0', 8000)\nCan't connect to ('0.0.0.0', 8000)"),
        raising("socket.gaierror: [Errno -2] Name or service not known"),
        start().replace("0.0.0.0", "127.0.0.1") + GET + TERM,
    ),
    "permission_denied": (
        raising("psycopg2.errors.InsufficientPrivilege: permission denied for table users"),
        master("Connection in use: /run/gunicorn.sock\nCan't connect to /run/gunicorn.sock"),
    ),
    "filesystem": (
        raising(
            'psycopg2.OperationalError: connection to server on socket "/run/.s.PGSQL" failed: No such file or directory'
        ),
        raising("FileNotFoundError: [Errno 2] No such file or directory: 'setup.lock'", code="os.remove(LOCK)"),
        "\nError: Error: '/srv/error.log' isn't writable [PermissionError(13, 'Permission denied')]\n",
        raising("FileExistsError: [Errno 17] File exists: '/srv/x'"),
        request("FileNotFoundError: [Errno 2] No such file or directory: 'x'"),
    ),
    "resource_limit": (
        "Traceback (most recent call last):\n"
        + frame("/srv/lib/python2.7/gunicorn/workers/sync.py", "run", "client, addr = sock.accept()")
        + frame("/usr/lib/python2.7/socket.py", "accept", "sock, addr = self._sock.accept()")
        + "error: [Errno 11] Resource temporarily unavailable\n",
        start() + "2026-11-27 09:02:00,000 INFO asked: RuntimeError: can't start new thread\n" + GET + TERM,
        raising("BlockingIOError: [Errno 115] Operation now in progress"),
    ),
    "illegal_instruction": (
        worker("[ERROR] Worker (pid:11) was sent SIGSEGV!"),
        "Aborted (core dumped)\n",
    ),
    "native_crash": (
        "Fatal Python error: Illegal instruction\n",
        worker("[CRITICAL] WORKER TIMEOUT (pid:11)", "[ERROR] Worker (pid:11) was sent SIGABRT!"),
        worker("[ERROR] Worker (pid:11) was sent SIGILL!"),
    ),
    "oom_kill": (
        "Last State: Terminated\n  Reason: Error\n  Exit Code: 137\n"
        "Normal  Killing  6m  kubelet  Container api failed liveness probe, will be restarted\n",
        worker(
            "[CRITICAL] WORKER TIMEOUT (pid:11)", "[ERROR] Worker (pid:11) was sent SIGKILL! Perhaps out of memory?"
        ),
        worker("[INFO] Handling signal: term", "[ERROR] Worker (pid:11) was sent SIGKILL! Perhaps out of memory?"),
        start() + GET.replace(" 200 5 ", " 200 137 ") + TERM,
    ),
    "monkey_patch_late": (request("RecursionError: maximum recursion depth exceeded"),),
    "app_not_found": (
        start()
        + "[2026-11-27 09:02:00 +0000] [11] [ERROR] Error handling request /\nTraceback (most recent call last):\n"
        + frame(
            SITE + "gunicorn/workers/sync.py", "handle_request", "respiter = self.wsgi(environ, resp.start_response)"
        )
        + frame("/srv/books.py", "index", "current_app.config")
        + frame(SITE + "flask/globals.py", "_find_app", "raise RuntimeError(_app_ctx_err_msg)")
        + "RuntimeError: Working outside of application context.\n"
        + GET,
        "$ gunicorn shelf.web:app\n" + raising("ModuleNotFoundError: No module named 'shelf_lib'"),
        "$ gunicorn --bind unix:flask:app shelf.web:app\n" + by_gunicorn(NO_FLASK),
        raising("ModuleNotFoundError: No module named 'wsgi_helpers'"),
        raising("NameError: name 'application' is not defined"),
    ),
    "app_syntax_error": (
        by_gunicorn(f"SyntaxError: Non-UTF-8 code starting with '\\xe9' in file {SITE}old.py on line 3, but no"),
        f"SyntaxError: invalid syntax ({SITE}old.py, line 12)\n",
        "SyntaxError: Missing parentheses in call to 'print'. Did you mean print(...)?\n",
        by_gunicorn(f'  File "{SITE}old/async.py", line 3\n    print "x"\nSyntaxError: Missing parentheses'),
    ),
    "version_incompatible": (
        raising(
            "AttributeError: Can't get attribute 'Prices' on <module '__main__' from '/venv/bin/gunicorn'>",
            frame("/usr/lib/python3.12/pickle.py", "find_class", "return getattr(sys.modules[module], name)"),
            code="MODEL = joblib.load('prices.pkl')",
        ),
        "AttributeError: module 'config' has no attribute 'PATHS'\n" + END,
        raising("AttributeError: Can't get attribute 'Net' on <module '__main__' from '/venv/bin/gunicorn'>"),
        raising(
            "TypeError: Field.__init__() got an unexpected keyword argument 'nul'",
            frame("/srv/shop/models.py", "Book", "title = models.CharField(max_length=90, nul=True)"),
            frame(SITE + "django/db/models/fields/__init__.py", "__init__", "super().__init__(*args, **kwargs)"),
        ),
        raising(
            "TypeError: Rule.__init__() got an unexpected keyword argument 'verbs'",
            frame(SITE + "flask/sansio/app.py", "add_url_rule", "rule_obj = self.url_rule_class(rule, **options)"),
            code='@app.route("/", verbs=["GET"])',
        ),
        raising("TypeError: price() got an unexpected keyword argument 'tax'", code="total = price(tax=1)"),
        raising("ModuleNotFoundError: No module named 'google.pubsub'"),
        raising("ModuleNotFoundError: No module named 'shop.settings'"),
        raising("ImportError: cannot import name db", code="from shop import db"),
        raising("NameError: name 'Shop' is not defined"),
        raising("AttributeError: 'Shop' object has no attribute 'shelves'", frame("/srv/shop/models.py", "open")),
        raising("AttributeError: 'function' object has no attribute 'rule'", frame(SITE + "oldlib/views.py", "add")),
        raising("AttributeError: 'NoneType' object has no attribute 'x'", frame(SITE + "lib/__init__.py", "<module>")),
        raising(
            "AttributeError: 'Settings' object has no attribute 'LIB_URL'", frame(SITE + "lib/__init__.py", "<module>")
        ),
        raising("ValueError: the model requires n >= 2"),
        raising("TypeError: unsupported operand type(s) for |: 'int' and 'NoneType'"),
        raising("TypeError: 'function' object is not subscriptable"),
        raising(NO_FLASK),
        raising("ImportError: cannot import name 'create_app' from 'shop' (/srv/shop/__init__.py)"),
        raising("TypeError: create_app() missing 1 required positional argument: 'config'"),
    ),
    "dependency_missing": (
        raising("ValueError: an API key is required to use this service"),
        raising("ModuleNotFoundError: No module named 'settings'", code="from settings import DEBUG"),
        raising("ModuleNotFoundError: No module named 'shop.settings'"),
        by_gunicorn("ModuleNotFoundError: No module named 'wsgi'"),
        start() + "[2026-11-27 09:00:01 +0000] [11] [WARNING] ujson is not there\n" + NO_FLASK + "\n" + GET + TERM,
    ),
    "app_import_error": (
        raising(
            "AttributeError: module 'books' has no attribute 'stock'",
            frame("/srv/books/prices.py", "<module>", "LOWEST = books.stock.lowest()"),
        ),
        raising(
            "ModuleNotFoundError: No module named 'import_export'",
            frame(SITE + "django/apps/config.py", "create", "module = import_module(entry)"),
        ),
        raising("ModuleNotFoundError: No module named 'corsheaders'", frame(SITE + "django/apps/config.py", "create")),
        raising("ModuleNotFoundError: No module named 'redis'", frame(SITE + "werkzeug/utils.py", "import_string")),
        raising(NO_FLASK),
        raising(f"ImportError: cannot import name 'escape' from 'jinja2' ({SITE}jinja2/__init__.py)"),
    ),
    "env_config": (
        raising("NameError: name 'false' is not defined", code="DEBUG = false"),
        raising('psycopg2.errors.SyntaxError: invalid input syntax for type json: ""'),
        raising("RuntimeError: CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
        raising("KeyError: 'Name'"),
        raising("AttributeError: 'NoneType' object has no attribute 'replace'", code="text = found.replace('a', 'b')"),
        raising(
            "TypeError: int() argument must be a string, a bytes-like object or a real number, not 'NoneType'",
            code="SIZE = int(read_size())",
        ),
        raising("KeyError: 'users'"),
        raising("ValueError: invalid literal for int() with base 10: 'x'"),
    ),
    "db_auth_failed": (raising("requests.exceptions.HTTPError: 401 Client Error"),),
    "db_too_many_connections": (
        raising("redis.exceptions.ConnectionError: max number of clients reached"),
        start()
        + "error connecting in 'pool-1': connection failed: FATAL:  sorry, too many clients already\n"
        + GET
        + TERM,
    ),
    "db_schema_missing": (raising('psycopg2.OperationalError: FATAL:  role "shop" does not exist'),),
    "db_forked_connection": (
        request(
            "requests.exceptions.SSLError: [SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] decryption failed or bad record mac"
        ),
        # The server went away, a server that speaks no TLS, and an app's own mistakes.
        request("pymysql.err.OperationalError: (2013, 'Lost connection to MySQL server during query')"),
        request(
            "pymysql.err.OperationalError: (2013, 'Lost connection to MySQL server during query ([SSL: "
            "UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:2580))')"
        ),
        request("psycopg.OperationalError: consuming input failed: SSL error: unexpected eof while reading"),
        request("psycopg.OperationalError: consuming input failed: SSL SYSCALL error: EOF detected"),
        request(
            "pymysql.err.OperationalError: (2003, \"Can't connect to MySQL server on 'db' ([SSL: WRONG_VERSION_NUMBER] "
            'wrong version number (_ssl.c:1000))")'
        ),
        request("psycopg.ProgrammingError: the last operation didn't produce records (command status: INSERT 0 1)"),
        request("IndexError: list index out of range"),
    ),
    "db_unreachable": (
        raising("sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out"),
        raising("redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused."),
        request("psycopg2.OperationalError: could not connect to server: Connection refused"),
    ),
    "backend_unavailable": (
        "Traceback (most recent call last):\n"
        + frame(SITE + "gunicorn/instrument/statsd.py", "_sock_send", "self.sock.send(msg)")
        + "ConnectionRefusedError: [Errno 111] Connection refused\n",
        request("httpx.ConnectError: [Errno 111] Connection refused"),
        raising("sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out"),
        raising('psycopg2.OperationalError: connection to server at "db" failed: Connection refused'),
        request("redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused."),
    ),
    "app_startup_race": (
        raising("OSError: [Errno 40] Too many levels of symbolic links: 'index.new'"),
        raising("FileNotFoundError: [Errno 2] No such file or directory: 'rates.csv'", code="open(RATES)"),
        request("sqlite3.IntegrityError: UNIQUE constraint failed: users.email"),
        request("NotImplementedError: this model cannot be copied"),
    ),
    "ended_with_status": (
        "beat      FATAL      Exited too quickly (process log may have details)\nweb  RUNNING  pid 9, uptime 0:02:19\n",
        raising(NO_FLASK) + "2026-11-27 09:00:01,000 WARN exited: gunicorn (exit status 3; not expected)\n",
        start() + GET + TERM + "2026-11-27T09:05:01.2+00:00 heroku[web.1]: Process exited with status 143\n",
        start() + GET + "2026-11-27 09:02:00,000 WARN exited: gunicorn (exit status 0; not expected)\n" + TERM,
        start()
        + GET
        + "Nov 27 09:02:00 web systemd[1]: proxy.service: Main process exited, code=exited, status=1/FAILURE\n",
        worker("[CRITICAL] WORKER TIMEOUT (pid:11)") + "==> Exited with status 1\n",
    ),
    "boot_deadline": (worker("[CRITICAL] WORKER TIMEOUT (pid:11)"),),
    "boot_timeout": (
        worker("[CRITICAL] WORKER TIMEOUT (pid:11)", version="23.0.0", serving=True).replace(
            GET, " * Serving Flask app 'shop'\n" + GET
        ),
        start() + "Startup probe failed: HTTP probe failed with statuscode: 503\n" + TERM,
        worker("[CRITICAL] WORKER TIMEOUT (pid:11)", version="20.1.0", serving=True),
    ),
    "request_timeout": (
        worker("[ERROR] Worker (pid:11) was sent SIGKILL! Perhaps out of memory?"),
        start() + GET + "INFO:jobs:Task timed out after 30 seconds\n" + GET + TERM,
    ),
    "stopped_by_platform": (
        start() + GET + "jobs: auto-scaling stopped, 2 idle workers left\n" + TERM,
        start() + GET + "celery autoscaler: stopping 1 idle pool process\n" + TERM,
        "Warning  Unhealthy  2m58s  kubelet  Readiness probe failed: dial tcp 10.0.3.77:8000: connect: connection refused\n"
        + start()
        + GET,
        start()
        + GET
        + "2026-11-27T09:05:00.0+00:00 heroku[web.1]: Idling\n"
        + "2026-11-27T09:05:00.0+00:00 heroku[web.1]: State changed from up to down\n"
        + TERM,
        start() + GET + TERM,
        raising(NO_FLASK) + "Liveness probe failed: connection refused\n",
        "dependency failed to start: container shop-postgres-1 is unhealthy\n",
    ),
    "stopped_in_boot": (
        worker("[INFO] Handling signal: term", "[ERROR] Worker (pid:11) was sent SIGTERM!"),
        worker("[INFO] Handling signal: hup", "[ERROR] Worker (pid:11) was sent SIGTERM!"),
    ),
    "killed_from_outside": (worker("[ERROR] Worker (pid:11) was sent SIGTERM!"),),
    "vanished": (worker("[ERROR] Worker (pid:11) was sent SIGTERM!"),),
    "shutdown_timeout": (
        start() + GET + "web-1 exited with code 137\n",
        "Nov 27 09:00:00 web systemd[1]: app.service: Killing process 91 (gunicorn) with signal SIGKILL.\n",
        "Nov 27 09:00:00 web systemd[1]: app.service: Failed with result 'timeout'.\n",
        worker("[INFO] Handling signal: term", "[INFO] Shutting down: Master"),
        worker(
            "[CRITICAL] WORKER TIMEOUT (pid:11)", "[ERROR] Worker (pid:11) was sent SIGKILL! Perhaps out of memory?"
        ),
    ),
    "sys_exit": (
        "usage: gunicorn [OPTIONS] [APP_MODULE]\ngunicorn: error: unrecognized arguments: --workerz 2\n",
        start() + GET + TERM,
        worker("[ERROR] Worker (pid:11) exited with code 1"),
    ),
    "silent_exit": (
        worker("[INFO] Handling signal: term", "[ERROR] Worker (pid:11) exited with code 1"),
        raising(NO_FLASK),
    ),
    "boot_exception": (start() + GET + TERM,),
}
