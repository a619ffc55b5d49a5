"""A second set, written after the signatures were mended for the first ones: what they say of logs they do not know."""

from __future__ import annotations

from scenarios_launch import SUPERVISED, supervised
from scene import ACCESS, FLASK, HELLO, SERVE, Scenario, app

SCENARIOS: dict[str, Scenario] = {
    "launcher-error/runuser": Scenario(
        app(HELLO), command=("runuser", "-u", "webapp", "--", "gunicorn", "app:app"), by="runuser knows no such user"
    ),
    "launcher-error/env-shebang": Scenario(
        {**app(HELLO), "serve": "#!/usr/bin/env gunicorn3\napp:app\n"},
        command=("sh", "-c", "chmod +x serve; exec ./serve"),
        by="env finds no program of that name",
    ),
    "config-file-error/name": Scenario(
        {**app(HELLO), "gunicorn.conf.py": "import multiprocessing\n\nworkers = multiprocess.cpu_count() * 2 + 1\n"},
        by="a misspelt name in gunicorn.conf.py",
    ),
    "config-file-error/argument": Scenario(
        app(HELLO), ("--threads", "four", "app:app"), by="a word where the command line wants a number"
    ),
    "worker-class-unavailable/attribute": Scenario(
        app(HELLO), ("-k", "gunicorn.workers.sync.SyncWorkr", "app:app"), by="a misspelt class in a module that exists"
    ),
    "tls-error/der": Scenario(
        app(HELLO),
        ("--certfile", "shop.der", "--keyfile", "shop.key", "app:app"),
        ("wait Booting worker", "sleep 1", "tls", "tls", "sleep 0.5", "signal TERM"),
        prepare=(
            "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=shop.example -keyout shop.key -outform DER -out shop.der 2>/dev/null",
        ),
        only=("23.0.0", "27.0.1"),
        by="a certificate in DER",
    ),
    "address-in-use/metrics": Scenario(
        app(
            "import http.server\nimport threading\n\nmetrics = http.server.HTTPServer(('127.0.0.1', @PORT@), http.server.SimpleHTTPRequestHandler)\n"
            "threading.Thread(target=metrics.serve_forever, daemon=True).start()\n" + HELLO
        ),
        ("--bind", "127.0.0.1:0", "-w", "2", "app:app"),
        by="each worker opens the same port for metrics",
    ),
    "bad-bind-address/octet": Scenario(app(HELLO), ("--bind=256.0.0.1:8000", "app:app"), by="an address that is none"),
    "permission-denied/etc": Scenario(
        app("import tempfile\n\nopen('/etc/shop.token', 'a').write('x')\n" + HELLO),
        ("-w", "2", "--worker-tmp-dir", "/dev/shm", "app:app"),
        nobody=True,
        by="the app writes to a file in /etc",
    ),
    "filesystem/missing-folder": Scenario(
        app("import os\n\nMODELS = sorted(os.listdir('/srv/models/current'))\n" + HELLO),
        ("--preload", "app:app"),
        by="a volume that was not mounted",
    ),
    "resource-limit/subprocess": Scenario(
        app("import subprocess\n\nhelpers = [subprocess.Popen(['sleep', '5']) for _ in range(64)]\n" + HELLO),
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
        by="an app starts more processes than its user may have",
    ),
    "native-crash/call": Scenario(
        app("import ctypes\n\nctypes.CFUNCTYPE(None)(0)()\n" + HELLO),
        ("-w", "2", "app:app"),
        ("wait Booting worker", "sleep 0.6", "leave"),
        by="a call of a null pointer",
    ),
    "app-not-found/no-package": Scenario(app(HELLO), ("app.wsgi:application",), by="a module is named as a package"),
    "app-syntax-error/return": Scenario(
        app("from shop import jobs\n" + HELLO, shop__jobs="import os\n\nif os.name:\n    return\n"),
        ("-w", "2", "app:app"),
        by="a return outside of any function, in the app's package",
    ),
    "version-incompatible/werkzeug": Scenario(
        app("from werkzeug import secure_filename\n" + HELLO),
        ("-w", "2", "app:app"),
        by="code for Werkzeug 0.16 with 3",
    ),
    "dependency-missing/pillow": Scenario(
        app("from thumbs import small\n" + HELLO, thumbs="from PIL import Image\n\nsmall = Image\n"),
        ("--preload", "app:app"),
        by="Pillow is not installed, the app's own module wants it",
    ),
    "app-import-error/submodule": Scenario(
        app("from services.mailer import send\n" + HELLO, services__invoices="TOTAL = 0\n"),
        ("-w", "2", "app:app"),
        by="a module of the app's own package that was not committed",
    ),
    "env-config/json": Scenario(
        app("import json\nimport os\n\nFEATURES = json.loads(os.environ['FEATURES'])\n" + HELLO),
        environ={"FEATURES": ""},
        by="an empty variable where JSON is wanted",
    ),
    "env-config/own-check": Scenario(
        app(
            "import os\n\n\ndef required(name):\n    value = os.environ.get(name)\n    if not value:\n"
            "        raise RuntimeError(f'environment variable {name} is not set')\n    return value\n\n\nTOKEN = required('SHOP_TOKEN')\n"
            + HELLO
        ),
        ("-w", "2", "app:app"),
        by="the app checks its variables itself",
    ),
    "db-auth-failed/sqlalchemy-mysql": Scenario(
        app(
            "import os\n\nfrom sqlalchemy import create_engine\n\n"
            "create_engine(f\"mysql+mysqldb://shop:wrong@127.0.0.1:{os.environ['DB_PORT']}/shop\").connect()\n" + HELLO
        ),
        ("-w", "2", "app:app"),
        needs="mariadb",
        by="MariaDB refuses the password, through SQLAlchemy",
    ),
    "db-schema-missing/lifespan": Scenario(
        app(
            "import os\nfrom contextlib import asynccontextmanager\n\nimport psycopg\nfrom fastapi import FastAPI\n\n\n@asynccontextmanager\n"
            "async def lifespan(app):\n    url = f\"postgresql://shop:hunter22secret@127.0.0.1:{os.environ['DB_PORT']}/shop\"\n"
            "    async with await psycopg.AsyncConnection.connect(url) as connection:\n"
            "        app.state.rates = await (await connection.execute('select * from exchange_rates')).fetchall()\n    yield\n\n\n"
            "app = FastAPI(lifespan=lifespan)\n"
        ),
        ("-k", "uvicorn_worker.UvicornWorker", "app:app"),
        only=("23.0.0", "27.0.1"),
        needs="postgres",
        by="a table that no migration made, in the lifespan of an ASGI app",
    ),
    "db-unreachable/lifespan": Scenario(
        app(
            "from contextlib import asynccontextmanager\n\nimport psycopg\nfrom fastapi import FastAPI\n\n\n@asynccontextmanager\n"
            "async def lifespan(app):\n    app.state.db = await psycopg.AsyncConnection.connect('postgresql://shop@127.0.0.1:1/shop')\n    yield\n\n\n"
            "app = FastAPI(lifespan=lifespan)\n"
        ),
        ("-k", "uvicorn_worker.UvicornWorker", "-w", "2", "app:app"),
        only=("23.0.0", "27.0.1"),
        by="PostgreSQL's port is closed, in the lifespan of an ASGI app",
    ),
    "backend-unavailable/smtp": Scenario(
        app("import smtplib\n\nMAIL = smtplib.SMTP('127.0.0.1', 1, timeout=2)\n" + HELLO), by="the mail server refuses"
    ),
    "backend-unavailable/dns": Scenario(
        app("import requests\n\nSETTINGS = requests.get('http://config.shop.invalid/v1', timeout=3).json()\n" + HELLO),
        ("-w", "2", "app:app"),
        by="the configuration service's name does not resolve",
    ),
    "app-startup-race/locked": Scenario(
        app(
            "import sqlite3\nimport time\n\nconnection = sqlite3.connect('app.db', timeout=0.2)\ntime.sleep(2 - time.time() % 2)\n"
            "connection.execute('begin immediate')\nconnection.execute('create table if not exists boots (at real)')\n"
            "connection.execute('insert into boots values (?)', (time.time(),))\ntime.sleep(1)\nconnection.commit()\n"
            + HELLO
        ),
        ("-w", "4", "app:app"),
        by="four workers write to the same SQLite file",
    ),
    "app-exception/assertion": Scenario(
        app("PRICES = {'basic': 5}\nassert 'premium' in PRICES, 'price list is incomplete'\n" + HELLO),
        ("-w", "2", "app:app"),
        by="an assertion of the app",
    ),
    "boot-timeout/gthread": Scenario(
        app("import time\n\ntime.sleep(30)\n" + HELLO),
        ("-k", "gthread", "--threads", "2", "-w", "2", "--timeout", "2", "app:app"),
        seconds=8,
        only=("20.1.0",),
        by="an import that sleeps, threads",
    ),
    "request-timeout/http": Scenario(
        app(
            FLASK
            + "@app.get('/rates')\ndef rates():\n    import socket\n\n    listener = socket.create_server(('127.0.0.1', 0))\n"
            "    import requests\n\n    return requests.get(f'http://127.0.0.1:{listener.getsockname()[1]}/rates').text\n"
        ),
        ("--timeout", "2", "-w", "2", *ACCESS, "app:app"),
        (*SERVE, "start /rates", "wait TIMEOUT", "sleep 2", "get /", "signal TERM"),
        seconds=15,
        by="a call of a service that never answers, without a timeout",
    ),
    "shutdown-timeout/supervisor-restart": Scenario(
        supervised("command=gunicorn -w 2 --graceful-timeout 30 --bind 127.0.0.1:@PORT@ app:app\nstopwaitsecs=2\n")
        | app("import time\n\n\ndef app(environ, start_response):\n    time.sleep(40)\n"),
        command=SUPERVISED,
        acts=("wait Booting worker", "sleep 2", "start /slow", "sleep 0.5", "signal HUP", "sleep 6", "signal TERM"),
        seconds=20,
        by="supervisord reloads, waits too short for the old server, and kills it",
    ),
    "none/retry": Scenario(
        app(
            "import logging\nimport socket\nimport time\n\nlogging.basicConfig()\nfor attempt in range(3):\n    try:\n"
            "        socket.create_connection(('127.0.0.1', 1), 1)\n        break\n    except OSError:\n"
            "        logging.warning('database is not there yet, attempt %d', attempt, exc_info=True)\n        time.sleep(0.3)\n"
            + HELLO
        ),
        ("-w", "2", *ACCESS, "app:app"),
        (*SERVE, "get /", "signal TERM"),
        by="an app that logs tracebacks while it waits for its database, and starts without it",
    ),
    "none/json-log": Scenario(
        app(
            "import json\nimport sys\n\n\ndef app(environ, start_response):\n"
            "    print(json.dumps({'level': 'error', 'message': 'payment refused', 'error': 'card declined', 'code': 137}), file=sys.stderr, flush=True)\n"
            "    start_response('402 Payment Required', [])\n    return [b'no']\n"
        ),
        ("-w", "2", *ACCESS, "app:app"),
        (*SERVE, "get /", "signal HUP", "sleep 2", "get /", "signal TERM"),
        by="errors of single requests as JSON, and a reload",
    ),
    "none/chatty-libraries": Scenario(
        app(
            "import warnings\n\nprint('WARNING: Killed 3 stale sessions', flush=True)\nprint('Error: could not find config.local, using defaults', flush=True)\n"
            "warnings.warn('SSL support is old', RuntimeWarning)\nprint('worker boot: signal handlers installed (SIGSEGV, SIGTERM)', flush=True)\n"
            + HELLO
        ),
        ("-k", "gthread", "--threads", "2", "app:app"),
        (*SERVE, "get /", "signal INT"),
        by="libraries that print words of disaster",
    ),
}
