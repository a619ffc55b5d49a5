"""Ways to make Gunicorn fail, and ways in which it does not: what `make.py` runs.

The key is `<cause class>/<scenario>`; `none` is healthy.
"""

from __future__ import annotations

from scene import ACCESS, HELLO, Scenario
from scene import app as _app

SCENARIOS: dict[str, Scenario] = {
    "dependency-missing/worker": Scenario(
        _app("import flask_nowhere\n" + HELLO),
        ("-w", "2", "app:app"),
        by="a package that is not installed, imported in each worker",
    ),
    "dependency-missing/preload": Scenario(
        _app("import flask_nowhere\n" + HELLO), ("--preload", "app:app"), by="the same, imported in the master"
    ),
    "app-syntax-error/worker": Scenario(
        _app("def app(environ, start_response)\n    return []\n"), by="a def without its colon"
    ),
    "app-syntax-error/indent": Scenario(
        _app("import os\ndef f():\nreturn 1\n" + HELLO), by="a body that is not indented"
    ),
    "app-import-error/circular": Scenario(
        _app(
            "from views import view\n" + HELLO,
            views="from models import Model\nview = 1\n",
            models="from views import view\nModel = 1\n",
        ),
        by="two modules of the app import each other",
    ),
    "app-import-error/own-package": Scenario(
        _app("from app.settings import DEBUG\n" + HELLO),
        by="the app's module has the name of the package that it imports from",
    ),
    "app-not-found/attribute": Scenario(_app(HELLO), ("app:application",), by="the module has no such name"),
    "app-not-found/module": Scenario(_app(HELLO), ("wsgi:app",), by="no such module, one worker"),
    "app-not-found/module-workers": Scenario(_app(HELLO), ("-w", "3", "wsgi:app"), by="no such module, three workers"),
    "env-config/keyerror": Scenario(
        _app("import os\nSECRET_KEY = os.environ['SECRET_KEY']\n" + HELLO),
        ("-w", "2", "app:app"),
        by="os.environ without the variable",
    ),
    "env-config/empty-port": Scenario(
        _app("import os\nPORT = int(os.environ.get('APP_PORT', ''))\n" + HELLO),
        by="an empty variable where a number must be",
    ),
    "app-exception/runtime": Scenario(
        _app("def load():\n    raise RuntimeError('model weights are damaged')\n\n\nload()\n" + HELLO),
        ("-w", "2", "app:app"),
        by="the app's own function raises in each worker",
    ),
    "app-exception/preload-runtime": Scenario(
        _app("raise RuntimeError('database initialisation failed')\n" + HELLO),
        ("--preload", "app:app"),
        by="the app raises in the master",
    ),
    "app-exception/preload-value": Scenario(
        _app("raise ValueError('cannot read the model list')\n" + HELLO),
        ("--preload", "app:app"),
        by="the same with another exception",
    ),
    "app-exception/sys-exit-1": Scenario(
        _app("import sys\nsys.exit(1)\n" + HELLO), seconds=2.5, by="sys.exit(1) at import"
    ),
    "app-exception/sys-exit-0": Scenario(
        _app("import sys\nsys.exit(0)\n" + HELLO),
        seconds=2.5,
        by="sys.exit(0) at import: the master starts workers without end",
    ),
    "app-exception/os-exit": Scenario(
        _app("import os, time\ntime.sleep(0.3)\nos._exit(1)\n" + HELLO), seconds=3, by="os._exit(1) at import"
    ),
    "app-exception/two-at-once": Scenario(
        _app("import time\ntime.sleep(0.5)\nraise ValueError('both fail together')\n" + HELLO),
        ("-w", "4", "app:app"),
        by="four workers raise in the same moment",
    ),
    "app-exception/sibling-sleeps": Scenario(
        _app("import os, time\nif os.getpid() % 2:\n    raise ValueError('one of four')\ntime.sleep(6)\n" + HELLO),
        ("-w", "4", "--graceful-timeout", "2", "app:app"),
        by="some of four workers raise while the others still import",
    ),
    "native-crash/segv": Scenario(
        _app("import ctypes\nctypes.string_at(0)\n" + HELLO), seconds=2, by="a null pointer at import"
    ),
    "native-crash/abort": Scenario(_app("import os\nos.abort()\n" + HELLO), seconds=2, by="abort() at import"),
    "native-crash/segv-in-request": Scenario(
        _app("import ctypes\ndef app(environ, start_response):\n    ctypes.string_at(0)\n"),
        acts=("wait Booting worker", "sleep 1", "get /", "sleep 1", "signal TERM"),
        by="a null pointer in a request",
    ),
    "illegal-instruction/import": Scenario(
        _app("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n" + HELLO),
        seconds=2,
        by="the signal itself, sent by the worker to itself",
    ),
    "oom-kill/self": Scenario(
        _app("import os, signal, time\ntime.sleep(0.5)\nos.kill(os.getpid(), signal.SIGKILL)\n" + HELLO),
        seconds=3,
        by="SIGKILL while the app is imported",
    ),
    "oom-kill/in-service": Scenario(
        _app(HELLO),
        ("-w", "2", *ACCESS, "app:app"),
        acts=("wait Booting worker", "sleep 1", "get /", "kill-worker KILL", "sleep 1.5", "signal TERM"),
        by="SIGKILL to a worker that serves",
    ),
    "request-timeout/sleep": Scenario(
        _app("import time\ndef app(environ, start_response):\n    time.sleep(30)\n"),
        ("--timeout", "2", "app:app"),
        acts=("wait Booting worker", "sleep 1", "start /slow", "wait TIMEOUT", "sleep 2", "signal TERM"),
        seconds=15,
        by="a request that sleeps",
    ),
    "request-timeout/c-code": Scenario(
        _app(
            "import hashlib\ndef app(environ, start_response):\n    hashlib.pbkdf2_hmac('sha512', b'a' * 64, b'b', 30_000_000)\n"
        ),
        ("--timeout", "2", *ACCESS, "app:app"),
        acts=("wait Booting worker", "sleep 1", "start /slow", "wait TIMEOUT", "sleep 3", "signal TERM"),
        seconds=15,
        by="a request in native code that holds the interpreter",
    ),
    "boot-timeout/import": Scenario(
        _app("import time\ntime.sleep(60)\n" + HELLO),
        ("--timeout", "2", "-w", "2", "app:app"),
        seconds=8,
        only=("20.1.0",),
        by="an import that sleeps (Gunicorn 22 and later wait for ever)",
    ),
    "address-in-use/port": Scenario(_app(HELLO), acts=("occupy",), seconds=12, by="another process listens there"),
    "bad-bind-address/name": Scenario(
        _app(HELLO),
        ("--bind", "no-such-host.invalid:8000", "app:app"),
        seconds=12,
        by="a host name that does not resolve",
    ),
    "bad-bind-address/typo": Scenario(_app(HELLO), ("--bind", "127.0.0.1:80o0", "app:app"), by="a letter in the port"),
    "config-file-error/raises": Scenario(
        {**_app(HELLO), "conf.py": "import os\nworkers = int(os.environ['WEB_CONCURRENCY_X'])\n"},
        ("-c", "conf.py", "app:app"),
        by="the configuration raises KeyError",
    ),
    "config-file-error/value": Scenario(
        {**_app(HELLO), "conf.py": "workers = 'many'\n"},
        ("-c", "conf.py", "app:app"),
        by="a word where a number must be",
    ),
    "config-file-error/missing": Scenario(_app(HELLO), ("-c", "nowhere.py", "app:app"), by="no such file"),
    "config-file-error/option": Scenario(_app(HELLO), ("--wokers", "3", "app:app"), by="an option that does not exist"),
    "config-file-error/hook": Scenario(
        {**_app(HELLO), "conf.py": "def on_starting(server):\n    raise ValueError('hook is broken')\n"},
        ("-c", "conf.py", "app:app"),
        by="on_starting raises",
    ),
    "config-file-error/post-fork-hook": Scenario(
        {**_app(HELLO), "conf.py": "def post_fork(server, worker):\n    worker.no_such_attribute.use()\n"},
        ("-c", "conf.py", "app:app"),
        by="post_fork raises",
    ),
    "worker-class-unavailable/name": Scenario(
        _app(HELLO), ("-k", "eventlettt", "app:app"), by="a misspelt worker class"
    ),
    "worker-class-unavailable/package": Scenario(
        _app(HELLO), ("-k", "tornado_nowhere.Worker", "app:app"), by="a worker class of a package that is not installed"
    ),
    "tls-error/missing": Scenario(
        _app(HELLO), ("--certfile", "cert.pem", "--keyfile", "key.pem", "app:app"), by="no certificate at that path"
    ),
    "tls-error/invalid": Scenario(
        {**_app(HELLO), "cert.pem": "not a certificate\n", "key.pem": "not a key\n"},
        ("--certfile", "cert.pem", "--keyfile", "key.pem", "app:app"),
        acts=("wait Booting worker", "sleep 1", "tls", "sleep 1", "signal TERM"),
        seconds=6,
        only=("23.0.0", "27.0.1"),
        by="files that are no certificate and no key",
    ),
    "permission-denied/socket": Scenario(
        _app("raise PermissionError(13, 'Permission denied', '/var/log/app/app.log')\n" + HELLO),
        by="what the system says of a log file of root's, raised by the app",
    ),
    "filesystem/tmp-dir": Scenario(
        _app(HELLO), ("--worker-tmp-dir", "nowhere", "app:app"), by="the folder of the heartbeat files does not exist"
    ),
    "filesystem/missing-file": Scenario(
        _app("open('settings/production.yaml')\n" + HELLO), by="a settings file that is not there"
    ),
    "filesystem/full": Scenario(
        _app("open('/dev/full', 'w').write('x' * 100000)\n" + HELLO), by="/dev/full: no space left"
    ),
    "resource-limit/descriptors": Scenario(
        _app(
            "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))\nheld = [open('/dev/null') for _ in range(40)]\n"
            + HELLO
        ),
        by="more open files than the limit",
    ),
    "native-library/shared-object": Scenario(
        _app("import ctypes\nctypes.CDLL('libGL_nowhere.so.1')\n" + HELLO), by="ctypes finds no such library"
    ),
    "native-library/import": Scenario(
        _app(
            "raise ImportError('libmysqlclient.so.21: cannot open shared object file: No such file or directory')\n"
            + HELLO
        ),
        by="what the loader says of a missing library, raised by the app",
    ),
    "version-incompatible/removed-name": Scenario(
        _app("from collections import Mapping\n" + HELLO), by="a name that Python 3.10 removed"
    ),
    "version-incompatible/keyword": Scenario(
        _app("import json\njson.loads('1', encodings='utf-8')\n" + HELLO), by="an argument that Python 3.9 removed"
    ),
    "db-schema-missing/sqlite": Scenario(
        _app("import sqlite3\nsqlite3.connect(':memory:').execute('select * from users')\n" + HELLO),
        ("-w", "2", "app:app"),
        by="SQLite without the table",
    ),
    "db-schema-missing/sqlalchemy": Scenario(
        _app(
            "from sqlalchemy import create_engine, text\ncreate_engine('sqlite://').connect().execute(text('select * from users'))\n"
            + HELLO
        ),
        by="the same through SQLAlchemy",
    ),
    "db-unreachable/psycopg2": Scenario(
        _app("import psycopg2\npsycopg2.connect('postgresql://app:hunter22secret@127.0.0.1:1/app')\n" + HELLO),
        ("-w", "2", "app:app"),
        by="PostgreSQL's port is closed, psycopg2",
    ),
    "db-unreachable/psycopg": Scenario(
        _app("import psycopg\npsycopg.connect('postgresql://app:hunter22secret@127.0.0.1:1/app')\n" + HELLO),
        by="the same, psycopg",
    ),
    "db-unreachable/dns": Scenario(
        _app("import psycopg2\npsycopg2.connect('postgresql://app:hunter22secret@db.invalid/app')\n" + HELLO),
        by="the database's name does not resolve",
    ),
    "db-unreachable/pymysql": Scenario(
        _app(
            "import pymysql\npymysql.connect(host='127.0.0.1', port=1, user='app', password='hunter22secret')\n" + HELLO
        ),
        by="MariaDB's port is closed",
    ),
    "db-unreachable/sqlalchemy": Scenario(
        _app(
            "from sqlalchemy import create_engine\n"
            "create_engine('postgresql+psycopg2://app:hunter22secret@127.0.0.1:1/app').connect()\n" + HELLO
        ),
        by="PostgreSQL's port is closed, SQLAlchemy",
    ),
    "backend-unavailable/http": Scenario(
        _app("import requests\nrequests.get('http://127.0.0.1:1/v1/secret', timeout=1)\n" + HELLO),
        by="an HTTP service refuses",
    ),
    "backend-unavailable/socket": Scenario(
        _app("import socket\nsocket.create_connection(('127.0.0.1', 1), 1)\n" + HELLO),
        by="a bare connection is refused",
    ),
    "shutdown-timeout/request": Scenario(
        _app("import time\ndef app(environ, start_response):\n    time.sleep(30)\n"),
        ("--graceful-timeout", "2", "app:app"),
        acts=("wait Booting worker", "sleep 1", "start /slow", "sleep 0.5", "signal TERM"),
        by="a request outlasts the grace period",
    ),
    "none/boot-and-stop": Scenario(
        _app(HELLO),
        ("-w", "2", *ACCESS, "app:app"),
        acts=("wait Booting worker", "sleep 1", "get /", "get /", "signal TERM"),
        by="start, two requests, SIGTERM",
    ),
    "none/interrupt": Scenario(
        _app(HELLO), ("-w", "2", "app:app"), acts=("wait Booting worker", "sleep 1", "get /", "signal INT"), by="Ctrl-C"
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
        by="two reloads",
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
        by="two workers more, one less",
    ),
    "none/max-requests": Scenario(
        _app(HELLO),
        ("-w", "2", "--max-requests", "2", *ACCESS, "app:app"),
        acts=("wait Booting worker", "sleep 1", *["get /"] * 8, "sleep 2", "signal TERM"),
        by="workers recycled by max_requests",
    ),
    "none/noisy-requests": Scenario(
        _app(
            "from flask import Flask\napp = Flask(__name__)\n\n\n@app.get('/')\ndef index():\n    return 'fine'\n\n\n"
            "@app.get('/broken')\ndef broken():\n    return {}['absent']\n"
        ),
        ("-w", "2", *ACCESS, "app:app"),
        acts=("wait Booting worker", "sleep 2", "get /", "get /broken", "get /broken", "get /", "signal TERM"),
        by="Flask requests that raise, in a server that goes on",
    ),
    "none/wsgi-error": Scenario(
        _app("def app(environ, start_response):\n    raise ValueError('this request only')\n"),
        acts=("wait Booting worker", "sleep 1", "get /", "get /", "signal TERM"),
        by="every request raises, and the server goes on",
    ),
    "none/gthread": Scenario(
        _app(HELLO),
        ("-w", "1", "--threads", "4", "app:app"),
        acts=("wait Booting worker", "sleep 1", "get /", "get /", "signal TERM"),
        by="threads",
    ),
    "none/gevent": Scenario(
        _app(HELLO),
        ("-k", "gevent", "app:app"),
        acts=("wait Booting worker", "sleep 2", "get /", "get /", "signal TERM"),
        by="gevent",
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
        by="ASGI",
    ),
    "none/noisy-start": Scenario(
        _app(
            "import logging, sys\nlogging.basicConfig()\ntry:\n    import ujson_nowhere\nexcept ImportError:\n    logging.exception('ujson is not there, json it is')\n"
            "logging.error('cache is cold')\nprint('Error: nothing to worry about', file=sys.stderr)\n" + HELLO
        ),
        acts=("wait Booting worker", "sleep 1", "get /", "signal TERM"),
        by="an app that logs a traceback and starts",
    ),
}
