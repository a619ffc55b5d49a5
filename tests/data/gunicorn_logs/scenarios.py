"""Ways to make Gunicorn fail, and ways in which it does not: what `make.py` runs.

The key is `<cause class>/<scenario>`; `none` is healthy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

HELLO = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""


@dataclass(frozen=True)
class Scenario:
    """One run of a server: its files, its arguments, what is done to it, and when it is stopped."""

    files: dict[str, str]
    args: tuple[str, ...] = ("app:app",)
    acts: tuple[str, ...] = ()
    """`wait TEXT`, `sleep S`, `get PATH`, `start PATH` (a request nobody waits for), `signal NAME`, `kill-worker NAME`."""
    seconds: float = 12.0
    """It is ended after that long."""
    only: tuple[str, ...] = ()
    """Versions that can show this; all where empty."""
    environ: dict[str, str] = field(default_factory=dict)


def _app(text: str, **more: str) -> dict[str, str]:
    return {"app.py": text, **{name.replace("__", "/") + ".py": body for name, body in more.items()}}


STOP = ("wait Booting worker", "sleep 1", "signal TERM")
ACCESS = ("--access-logfile", "-")

SCENARIOS: dict[str, Scenario] = {
    "dependency-missing/worker": Scenario(_app("import flask_nowhere\n" + HELLO), ("-w", "2", "app:app")),
    "dependency-missing/preload": Scenario(_app("import flask_nowhere\n" + HELLO), ("--preload", "app:app")),
    "app-syntax-error/worker": Scenario(_app("def app(environ, start_response)\n    return []\n")),
    "app-syntax-error/indent": Scenario(_app("import os\ndef f():\nreturn 1\n" + HELLO)),
    "app-import-error/circular": Scenario(
        _app(
            "from views import view\n" + HELLO,
            views="from models import Model\nview = 1\n",
            models="from views import view\nModel = 1\n",
        )
    ),
    "app-import-error/own-package": Scenario(_app("from app.settings import DEBUG\n" + HELLO)),
    "app-not-found/attribute": Scenario(_app(HELLO), ("app:application",)),
    "app-not-found/module": Scenario(_app(HELLO), ("wsgi:app",)),
    "app-not-found/module-workers": Scenario(_app(HELLO), ("-w", "3", "wsgi:app")),
    "env-config/keyerror": Scenario(
        _app("import os\nSECRET_KEY = os.environ['SECRET_KEY']\n" + HELLO), ("-w", "2", "app:app")
    ),
    "env-config/empty-port": Scenario(_app("import os\nPORT = int(os.environ.get('APP_PORT', ''))\n" + HELLO)),
    "app-exception/runtime": Scenario(
        _app("def load():\n    raise RuntimeError('model weights are damaged')\n\n\nload()\n" + HELLO),
        ("-w", "2", "app:app"),
    ),
    "app-exception/preload-runtime": Scenario(
        _app("raise RuntimeError('database initialisation failed')\n" + HELLO), ("--preload", "app:app")
    ),
    "app-exception/preload-value": Scenario(
        _app("raise ValueError('cannot read the model list')\n" + HELLO), ("--preload", "app:app")
    ),
    "app-exception/sys-exit-1": Scenario(_app("import sys\nsys.exit(1)\n" + HELLO), seconds=2.5),
    "app-exception/sys-exit-0": Scenario(_app("import sys\nsys.exit(0)\n" + HELLO), seconds=2.5),
    "app-exception/os-exit": Scenario(_app("import os, time\ntime.sleep(0.3)\nos._exit(1)\n" + HELLO), seconds=3),
    "app-exception/two-at-once": Scenario(
        _app("import time\ntime.sleep(0.5)\nraise ValueError('both fail together')\n" + HELLO), ("-w", "4", "app:app")
    ),
    "app-exception/sibling-sleeps": Scenario(
        _app("import os, time\nif os.getpid() % 2:\n    raise ValueError('one of four')\ntime.sleep(6)\n" + HELLO),
        ("-w", "4", "--graceful-timeout", "2", "app:app"),
    ),
    "native-crash/segv": Scenario(_app("import ctypes\nctypes.string_at(0)\n" + HELLO), seconds=2),
    "native-crash/abort": Scenario(_app("import os\nos.abort()\n" + HELLO), seconds=2),
    "native-crash/segv-in-request": Scenario(
        _app("import ctypes\ndef app(environ, start_response):\n    ctypes.string_at(0)\n"),
        acts=("wait Booting worker", "sleep 1", "get /", "sleep 1", "signal TERM"),
    ),
    "illegal-instruction/import": Scenario(
        _app("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n" + HELLO), seconds=2
    ),
    "oom-kill/self": Scenario(
        _app("import os, signal, time\ntime.sleep(0.5)\nos.kill(os.getpid(), signal.SIGKILL)\n" + HELLO), seconds=3
    ),
    "oom-kill/in-service": Scenario(
        _app(HELLO),
        ("-w", "2", *ACCESS, "app:app"),
        acts=("wait Booting worker", "sleep 1", "get /", "kill-worker KILL", "sleep 1.5", "signal TERM"),
    ),
    "request-timeout/sleep": Scenario(
        _app("import time\ndef app(environ, start_response):\n    time.sleep(30)\n"),
        ("--timeout", "2", "app:app"),
        acts=("wait Booting worker", "sleep 1", "start /slow", "wait TIMEOUT", "sleep 2", "signal TERM"),
        seconds=15,
    ),
    "request-timeout/c-code": Scenario(
        _app(
            "import hashlib\ndef app(environ, start_response):\n    hashlib.pbkdf2_hmac('sha512', b'a' * 64, b'b', 30_000_000)\n"
        ),
        ("--timeout", "2", *ACCESS, "app:app"),
        acts=("wait Booting worker", "sleep 1", "start /slow", "wait TIMEOUT", "sleep 3", "signal TERM"),
        seconds=15,
    ),
    "boot-timeout/import": Scenario(
        _app("import time\ntime.sleep(60)\n" + HELLO),
        ("--timeout", "2", "-w", "2", "app:app"),
        seconds=8,
        only=("20.1.0",),
    ),
    "address-in-use/port": Scenario(_app(HELLO), acts=("occupy",), seconds=12),
    "bad-bind-address/name": Scenario(_app(HELLO), ("--bind", "no-such-host.invalid:8000", "app:app"), seconds=12),
    "bad-bind-address/typo": Scenario(_app(HELLO), ("--bind", "127.0.0.1:80o0", "app:app")),
    "config-file-error/raises": Scenario(
        {**_app(HELLO), "conf.py": "import os\nworkers = int(os.environ['WEB_CONCURRENCY_X'])\n"},
        ("-c", "conf.py", "app:app"),
    ),
    "config-file-error/value": Scenario({**_app(HELLO), "conf.py": "workers = 'many'\n"}, ("-c", "conf.py", "app:app")),
    "config-file-error/missing": Scenario(_app(HELLO), ("-c", "nowhere.py", "app:app")),
    "config-file-error/option": Scenario(_app(HELLO), ("--wokers", "3", "app:app")),
    "config-file-error/hook": Scenario(
        {**_app(HELLO), "conf.py": "def on_starting(server):\n    raise ValueError('hook is broken')\n"},
        ("-c", "conf.py", "app:app"),
    ),
    "config-file-error/post-fork-hook": Scenario(
        {**_app(HELLO), "conf.py": "def post_fork(server, worker):\n    worker.no_such_attribute.use()\n"},
        ("-c", "conf.py", "app:app"),
    ),
    "worker-class-unavailable/name": Scenario(_app(HELLO), ("-k", "eventlettt", "app:app")),
    "worker-class-unavailable/package": Scenario(_app(HELLO), ("-k", "tornado_nowhere.Worker", "app:app")),
    "tls-error/missing": Scenario(_app(HELLO), ("--certfile", "cert.pem", "--keyfile", "key.pem", "app:app")),
    "tls-error/invalid": Scenario(
        {**_app(HELLO), "cert.pem": "not a certificate\n", "key.pem": "not a key\n"},
        ("--certfile", "cert.pem", "--keyfile", "key.pem", "app:app"),
        acts=("wait Booting worker", "sleep 1", "tls", "sleep 1", "signal TERM"),
        seconds=6,
        only=("23.0.0", "27.0.1"),
    ),
    "permission-denied/socket": Scenario(
        _app("raise PermissionError(13, 'Permission denied', '/var/log/app/app.log')\n" + HELLO)
    ),
    "filesystem/tmp-dir": Scenario(_app(HELLO), ("--worker-tmp-dir", "nowhere", "app:app")),
    "filesystem/missing-file": Scenario(_app("open('settings/production.yaml')\n" + HELLO)),
    "filesystem/full": Scenario(_app("open('/dev/full', 'w').write('x' * 100000)\n" + HELLO)),
    "resource-limit/descriptors": Scenario(
        _app(
            "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))\nheld = [open('/dev/null') for _ in range(40)]\n"
            + HELLO
        )
    ),
    "native-library/shared-object": Scenario(_app("import ctypes\nctypes.CDLL('libGL_nowhere.so.1')\n" + HELLO)),
    "native-library/import": Scenario(
        _app(
            "raise ImportError('libmysqlclient.so.21: cannot open shared object file: No such file or directory')\n"
            + HELLO
        )
    ),
    "version-incompatible/removed-name": Scenario(_app("from collections import Mapping\n" + HELLO)),
    "version-incompatible/keyword": Scenario(_app("import json\njson.loads('1', encodings='utf-8')\n" + HELLO)),
    "db-schema-missing/sqlite": Scenario(
        _app("import sqlite3\nsqlite3.connect(':memory:').execute('select * from users')\n" + HELLO),
        ("-w", "2", "app:app"),
    ),
    "db-schema-missing/sqlalchemy": Scenario(
        _app(
            "from sqlalchemy import create_engine, text\ncreate_engine('sqlite://').connect().execute(text('select * from users'))\n"
            + HELLO
        )
    ),
    "db-unreachable/psycopg2": Scenario(
        _app("import psycopg2\npsycopg2.connect('postgresql://app:hunter22secret@127.0.0.1:1/app')\n" + HELLO),
        ("-w", "2", "app:app"),
    ),
    "db-unreachable/psycopg": Scenario(
        _app("import psycopg\npsycopg.connect('postgresql://app:hunter22secret@127.0.0.1:1/app')\n" + HELLO)
    ),
    "db-unreachable/dns": Scenario(
        _app("import psycopg2\npsycopg2.connect('postgresql://app:hunter22secret@db.invalid/app')\n" + HELLO)
    ),
    "db-unreachable/pymysql": Scenario(
        _app(
            "import pymysql\npymysql.connect(host='127.0.0.1', port=1, user='app', password='hunter22secret')\n" + HELLO
        )
    ),
    "db-unreachable/sqlalchemy": Scenario(
        _app(
            "from sqlalchemy import create_engine\n"
            "create_engine('postgresql+psycopg2://app:hunter22secret@127.0.0.1:1/app').connect()\n" + HELLO
        )
    ),
    "backend-unavailable/http": Scenario(
        _app("import requests\nrequests.get('http://127.0.0.1:1/v1/secret', timeout=1)\n" + HELLO)
    ),
    "backend-unavailable/socket": Scenario(
        _app("import socket\nsocket.create_connection(('127.0.0.1', 1), 1)\n" + HELLO)
    ),
    "shutdown-timeout/request": Scenario(
        _app("import time\ndef app(environ, start_response):\n    time.sleep(30)\n"),
        ("--graceful-timeout", "2", "app:app"),
        acts=("wait Booting worker", "sleep 1", "start /slow", "sleep 0.5", "signal TERM"),
    ),
    "none/boot-and-stop": Scenario(
        _app(HELLO),
        ("-w", "2", *ACCESS, "app:app"),
        acts=("wait Booting worker", "sleep 1", "get /", "get /", "signal TERM"),
    ),
    "none/interrupt": Scenario(
        _app(HELLO), ("-w", "2", "app:app"), acts=("wait Booting worker", "sleep 1", "get /", "signal INT")
    ),
    "none/hup": Scenario(
        _app(HELLO),
        ("-w", "2", "app:app"),
        acts=(
            "wait Booting worker",
            "sleep 1",
            "get /",
            "signal HUP",
            "sleep 2",
            "get /",
            "signal HUP",
            "sleep 2",
            "signal TERM",
        ),
    ),
    "none/scale": Scenario(
        _app(HELLO),
        acts=(
            "wait Booting worker",
            "sleep 1",
            "signal TTIN",
            "sleep 1",
            "signal TTIN",
            "sleep 1",
            "signal TTOU",
            "sleep 2",
            "signal TERM",
        ),
    ),
    "none/max-requests": Scenario(
        _app(HELLO),
        ("-w", "2", "--max-requests", "2", *ACCESS, "app:app"),
        acts=("wait Booting worker", "sleep 1", *["get /"] * 8, "sleep 2", "signal TERM"),
    ),
    "none/noisy-requests": Scenario(
        _app(
            "from flask import Flask\napp = Flask(__name__)\n\n\n@app.get('/')\ndef index():\n    return 'fine'\n\n\n"
            "@app.get('/broken')\ndef broken():\n    return {}['absent']\n"
        ),
        ("-w", "2", *ACCESS, "app:app"),
        acts=("wait Booting worker", "sleep 2", "get /", "get /broken", "get /broken", "get /", "signal TERM"),
    ),
    "none/wsgi-error": Scenario(
        _app("def app(environ, start_response):\n    raise ValueError('this request only')\n"),
        acts=("wait Booting worker", "sleep 1", "get /", "get /", "signal TERM"),
    ),
    "none/gthread": Scenario(
        _app(HELLO),
        ("-w", "1", "--threads", "4", "app:app"),
        acts=("wait Booting worker", "sleep 1", "get /", "get /", "signal TERM"),
    ),
    "none/gevent": Scenario(
        _app(HELLO),
        ("-k", "gevent", "app:app"),
        acts=("wait Booting worker", "sleep 2", "get /", "get /", "signal TERM"),
    ),
    "none/uvicorn": Scenario(
        _app(
            "async def app(scope, receive, send):\n    if scope['type'] == 'lifespan':\n        while True:\n"
            "            message = await receive()\n            await send({'type': message['type'] + '.complete'})\n"
            "            if message['type'] == 'lifespan.shutdown':\n                return\n"
            "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
            "    await send({'type': 'http.response.body', 'body': b'hello'})\n"
        ),
        ("-k", "uvicorn_worker.UvicornWorker", "-w", "2", "app:app"),
        acts=("wait startup complete", "sleep 1", "get /", "signal TERM"),
        only=("23.0.0", "27.0.1"),
    ),
    "none/noisy-start": Scenario(
        _app(
            "import logging, sys\nlogging.basicConfig()\ntry:\n    import ujson_nowhere\nexcept ImportError:\n    logging.exception('ujson is not there, json it is')\n"
            "logging.error('cache is cold')\nprint('Error: nothing to worry about', file=sys.stderr)\n" + HELLO
        ),
        acts=("wait Booting worker", "sleep 1", "get /", "signal TERM"),
    ),
}
