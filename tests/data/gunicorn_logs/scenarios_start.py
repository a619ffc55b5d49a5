"""Configuration, worker classes, TLS, addresses, permissions, paths and limits: what a start needs."""

from __future__ import annotations

from scene import FLASK, HELLO, SERVE, Scenario, app

_CERTIFICATE = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=shop.example -keyout {0}.key -out {0}.crt 2>/dev/null"
)
_TLS = ("--certfile", "shop.crt", "--keyfile", "shop.key")
_HANDSHAKE = ("wait Booting worker", "sleep 1", "tls", "sleep 0.5", "tls", "sleep 0.5", "signal TERM")

SCENARIOS: dict[str, Scenario] = {
    "config-file-error/syntax": Scenario(
        {**app(HELLO), "gunicorn.conf.py": "bind = '0.0.0.0:8000'\nworkers = 2,\nthreads = (4\ntimeout = 60\n"},
        by="a bracket that is never closed in gunicorn.conf.py",
    ),
    "config-file-error/import": Scenario(
        {**app(HELLO), "conf.py": "from deploy_settings import WORKERS\nworkers = WORKERS\n"},
        ("-c", "conf.py", "app:app"),
        by="the configuration imports a module that is not there",
    ),
    "config-file-error/environment": Scenario(
        app(HELLO), environ={"GUNICORN_CMD_ARGS": "--workers two --timeout 30"}, by="a word where a number must be"
    ),
    "config-file-error/post-worker-init": Scenario(
        {
            **app(HELLO),
            "conf.py": "def post_worker_init(worker):\n    worker.log.info('ready %s', worker.settings['name'])\n",
        },
        ("-c", "conf.py", "-w", "2", "app:app"),
        seconds=4,
        by="a server hook raises in every worker",
    ),
    "worker-class-unavailable/eventlet": Scenario(
        app(HELLO), ("-k", "eventlet", "app:app"), by="eventlet is not installed"
    ),
    "worker-class-unavailable/tornado": Scenario(
        app(HELLO), ("-k", "tornado", "-w", "2", "app:app"), by="tornado is not installed"
    ),
    "worker-class-unavailable/meinheld": Scenario(
        {**app(HELLO), "gunicorn.conf.py": "worker_class = 'egg:meinheld#gunicorn_worker'\n"},
        by="meinheld is not installed",
    ),
    "tls-error/mismatch": Scenario(
        app(HELLO),
        (*_TLS, "app:app"),
        _HANDSHAKE,
        prepare=(_CERTIFICATE.format("shop"), _CERTIFICATE.format("other"), "cp other.key shop.key"),
        only=("23.0.0", "27.0.1"),
        by="the key of another certificate",
    ),
    "tls-error/swapped": Scenario(
        app(HELLO),
        ("--certfile", "shop.key", "--keyfile", "shop.crt", "app:app"),
        _HANDSHAKE,
        prepare=(_CERTIFICATE.format("shop"),),
        only=("23.0.0", "27.0.1"),
        by="certificate and key are given the wrong way round",
    ),
    "tls-error/authority": Scenario(
        app(HELLO),
        (*_TLS, "--ca-certs", "/etc/ssl/shop/ca.pem", "app:app"),
        _HANDSHAKE,
        prepare=(_CERTIFICATE.format("shop"),),
        by="the file of trusted authorities is missing",
    ),
    "tls-error/key-path": Scenario(
        app(HELLO),
        ("--certfile", "shop.crt", "--keyfile", "/etc/letsencrypt/live/shop.example/privkey.pem", "app:app"),
        prepare=(_CERTIFICATE.format("shop"),),
        by="the key's path leads nowhere",
    ),
    "address-in-use/other-server": Scenario(
        {
            **app(HELLO),
            "start.sh": "gunicorn -D --bind 127.0.0.1:$PORT app:app\nsleep 2\nexec gunicorn --bind 127.0.0.1:$PORT app:app\n",
        },
        command=("sh", "start.sh"),
        by="a daemon of the deploy before still listens",
    ),
    "address-in-use/twice": Scenario(
        app(HELLO),
        ("-w", "2", "app:app"),
        command=("{gunicorn}", "--bind", "127.0.0.1:{port}", "--bind", "127.0.0.1:{port}", "app:app"),
        by="the same address is given twice",
    ),
    "address-in-use/debug-server": Scenario(
        {
            **app(FLASK),
            "start.sh": "python -m http.server $PORT >/dev/null 2>&1 &\nsleep 2\nexec gunicorn -k gthread -w 2 --threads 4 --bind 0.0.0.0:$PORT app:app\n",
        },
        command=("sh", "start.sh"),
        by="a development server holds the port",
    ),
    "bad-bind-address/not-local": Scenario(
        app(HELLO), ("--bind", "203.0.113.7:8000", "app:app"), by="an address that no interface here has"
    ),
    "bad-bind-address/no-port": Scenario(
        app(HELLO),
        command=("sh", "-c", "unset PORT; exec gunicorn --bind 0.0.0.0:$PORT app:app"),
        by="$PORT is not set",
    ),
    "bad-bind-address/range": Scenario(app(HELLO), ("--bind=0.0.0.0:80800", "app:app"), by="a port above 65535"),
    "permission-denied/low-port": Scenario(
        app(HELLO), ("--bind", "0.0.0.0:443", "app:app"), nobody=True, by="a port below 1024 as an unprivileged user"
    ),
    "permission-denied/socket-folder": Scenario(
        app(HELLO),
        ("--bind", "unix:run/shop/web.sock", "app:app"),
        nobody=True,
        prepare=("mkdir -p run/shop",),
        only=("23.0.0", "27.0.1"),
        by="the socket's folder is root's",
    ),
    "permission-denied/upload-folder": Scenario(
        app("import os\n\nos.makedirs('var/uploads', exist_ok=True)\n" + HELLO),
        ("-w", "2", "--worker-tmp-dir", "/dev/shm", "app:app"),
        nobody=True,
        by="the app makes a folder in one of root's",
    ),
    "permission-denied/log-file": Scenario(
        app("import logging\n\nlogging.basicConfig(filename='/var/log/shop.log')\n" + HELLO),
        nobody=True,
        by="the app logs to a folder of root's",
    ),
    "filesystem/full-tmpfs": Scenario(
        app("open('cache/index.bin', 'wb').write(b'x' * (4 << 20))\n" + HELLO),
        prepare=("mkdir cache",),
        command=(
            "unshare",
            "-m",
            "sh",
            "-c",
            "mount -t tmpfs -o size=1m tmpfs cache && exec gunicorn --bind 127.0.0.1:$PORT app:app",
        ),
        by="a file system of 1 MB is full",
    ),
    "filesystem/read-only": Scenario(
        app("import pathlib\n\npathlib.Path('data/state.json').write_text('{}')\n" + HELLO),
        prepare=("mkdir data",),
        command=(
            "unshare",
            "-m",
            "sh",
            "-c",
            "mount -t tmpfs -o ro tmpfs data && exec gunicorn --bind 127.0.0.1:$PORT -w 2 app:app",
        ),
        by="a read-only mount",
    ),
    "filesystem/worker-tmp-read-only": Scenario(
        app(HELLO),
        prepare=("mkdir data",),
        command=(
            "unshare",
            "-m",
            "sh",
            "-c",
            "mount -t tmpfs -o ro tmpfs data && exec gunicorn --worker-tmp-dir data --bind 127.0.0.1:$PORT app:app",
        ),
        by="the folder of the heartbeat files is mounted read-only",
    ),
    "resource-limit/threads": Scenario(
        app(
            "import threading, time\n\nfor _ in range(64):\n    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
            + HELLO
        ),
        nobody=True,
        command=(
            "prlimit",
            "--nproc=24:24",
            "{gunicorn}",
            "--worker-tmp-dir",
            "/dev/shm",
            "--bind",
            "127.0.0.1:{port}",
            "app:app",
        ),
        by="an app starts more threads than its user may have",
    ),
    "resource-limit/fork": Scenario(
        app(HELLO),
        nobody=True,
        command=(
            "prlimit",
            "--nproc=4:4",
            "{gunicorn}",
            "--worker-tmp-dir",
            "/dev/shm",
            "--bind",
            "127.0.0.1:{port}",
            "-w",
            "8",
            "app:app",
        ),
        by="more workers than the user may have processes",
    ),
    "resource-limit/accept": Scenario(
        app(
            "held = []\n\n\ndef app(environ, start_response):\n    held.extend(open('/dev/null') for _ in range(8))\n"
            "    start_response('200 OK', [])\n    return [b'fine']\n"
        ),
        acts=(*SERVE, *["get /"] * 8, "sleep 1", "signal TERM"),
        command=("prlimit", "--nofile=40:40", "{gunicorn}", "--bind", "127.0.0.1:{port}", "app:app"),
        by="an app leaks descriptors until accept fails",
    ),
}
