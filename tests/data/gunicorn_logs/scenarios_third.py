"""A third set, start and native code: other frameworks, other spellings and other moments than in the sets before."""

from __future__ import annotations

from scenarios_launch import SUPERVISED, supervised
from scene import ACCESS, FLASK, HELLO, SERVE, STOP, Scenario, app

_LOGGING = "[loggers]\nkeys=root\n[handlers]\nkeys=console\n[logger_root]\nlevel=INFO\nhandlers=console\n"
_DJANGO = (
    "import os\n\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"
    "from django.core.wsgi import get_wsgi_application\n\napplication = get_wsgi_application()\n"
)
_SETTINGS = "SECRET_KEY = 'not-a-secret'\nINSTALLED_APPS = []\nROOT_URLCONF = 'shop.urls'\n"
_SHELL = "#!/bin/bash\nexport PYTHONUNBUFFERED=1\ngunicorn --preload --bind 127.0.0.1:@PORT@ -w 2 app:app\nexit $?\n"
_UD2 = (
    "import ctypes\nimport mmap\n\npage = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
    "page.write(bytes.fromhex('0f0bc3'))\nctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()\n"
)
_HTTPS = "\n\ndef app(environ, start_response):\n    {}\n    start_response('200 OK', [])\n    return [b'fine']\n"

SCENARIOS: dict[str, Scenario] = {
    "launcher-error/crlf": Scenario(
        app(HELLO),
        prepare=(r"printf '#!/usr/bin/env bash\r\nexec gunicorn app:app\r\n' > start.sh; chmod +x start.sh",),
        command=("sh", "-c", "exec ./start.sh"),
        by="the start script was saved with Windows' line ends",
    ),
    "launcher-error/python-module": Scenario(
        app(HELLO),
        prepare=("$PYTHON -m venv --without-pip env",),
        command=("sh", "-c", "env/bin/python -m gunicorn app:app"),
        by="the interpreter of another environment, in which gunicorn was never installed",
    ),
    "launcher-error/cd": Scenario(
        {**app(HELLO), "start.sh": "set -e\ncd /srv/shop/current\nexec gunicorn app:app\n"},
        command=("sh", "start.sh"),
        by="the start script's folder is not there",
    ),
    "config-file-error/log-config": Scenario(
        {**app(HELLO), "logging.ini": _LOGGING},
        ("--log-config", "logging.ini", "app:app"),
        by="a logging configuration without one of its sections",
    ),
    "config-file-error/extension": Scenario(
        {**app(HELLO), "gunicorn.yml": "bind: 0.0.0.0:8000\nworkers: 4\n"},
        ("-c", "gunicorn.yml", "app:app"),
        by="a configuration written in YAML",
    ),
    "config-file-error/user": Scenario(
        app(HELLO),
        ("--user", "webapp", "-w", "2", "app:app"),
        by="a user who does not exist, in gunicorn's own setting",
    ),
    "config-file-error/no-target": Scenario(app(HELLO), ("-w", "2"), by="no module is named at all"),
    "worker-class-unavailable/old-gevent": Scenario(
        {**app(HELLO), "gevent/__init__.py": "__version__ = '1.2.2'\n"},
        ("-k", "gevent", "app:app"),
        environ={"PYTHONPATH": "."},
        by="a gevent that is too old",
    ),
    "worker-class-unavailable/own": Scenario(
        app(
            HELLO,
            conf__workers="import uvloop\nfrom uvicorn_worker import UvicornWorker\n\n\nclass ShopWorker(UvicornWorker):\n    loop = uvloop\n",
        ),
        ("-k", "conf.workers.ShopWorker", "-w", "2", "app:app"),
        by="the app's own worker class needs a package that is not installed",
    ),
    "native-library/cffi": Scenario(
        app("from cffi import FFI\n\npango = FFI().dlopen('libpango-1.0-0')\n" + HELLO),
        ("-w", "2", "app:app"),
        by="cffi opens a library that the image does not have",
    ),
    "native-library/gdal": Scenario(
        {
            **app(_DJANGO, shop__urls="urlpatterns = []\n"),
            "shop/settings.py": _SETTINGS.replace("[]", "['django.contrib.gis', 'places']"),
            "places/__init__.py": "",
            "places/models.py": "from django.contrib.gis.db import models\n\n\nclass Place(models.Model):\n    point = models.PointField()\n",
        },
        ("app:application",),
        by="GeoDjango finds no GDAL",
    ),
    "tls-error/directory": Scenario(
        app(HELLO),
        ("--certfile", "certs", "--keyfile", "certs", "app:app"),
        ("wait Booting worker", "sleep 1", "tls", "tls", "sleep 0.5", "signal TERM"),
        prepare=("mkdir certs",),
        only=("23.0.0", "27.0.1"),
        by="a mounted file that was not there, and became a folder",
    ),
    "tls-error/weak-key": Scenario(
        app(HELLO),
        ("--certfile", "shop.crt", "--keyfile", "shop.key", "-w", "2", "app:app"),
        ("wait Booting worker", "sleep 1", "tls", "tls", "sleep 0.5", "signal TERM"),
        prepare=(
            "openssl req -x509 -newkey rsa:1024 -nodes -days 2 -subj /CN=shop.example -keyout shop.key -out shop.crt 2>/dev/null",
        ),
        only=("23.0.0", "27.0.1"),
        by="a key that is too short for today's OpenSSL",
    ),
    "address-in-use/app-run": Scenario(
        app(FLASK + "app.run(host='127.0.0.1', port=@PORT@)\n"),
        ("--bind", "127.0.0.1:0", "-w", "2", "app:app"),
        ("wait Booting worker", "sleep 4", "signal TERM"),
        by="the development server's start is not guarded by __main__: two workers want its port",
    ),
    "address-in-use/two-programs": Scenario(
        supervised("command=gunicorn --bind 127.0.0.1:@PORT@ app:app\nprocess_name=web_%(process_num)s\nnumprocs=2\n"),
        command=SUPERVISED,
        acts=("wait FATAL", "sleep 0.3", "signal TERM"),
        seconds=35,
        by="supervisord starts two servers on one port",
    ),
    "bad-bind-address/url": Scenario(
        app(HELLO), ("--bind=http://0.0.0.0:8000", "app:app"), STOP, by="a URL in the place of an address"
    ),
    "bad-bind-address/literal": Scenario(
        app(HELLO), ("--bind=0.0.0.0:$PORT", "-w", "2", "app:app"), by="no shell fills in $PORT"
    ),
    "permission-denied/pid-file": Scenario(
        app(HELLO),
        ("--pid", "/etc/shop.pid", "--worker-tmp-dir", "/dev/shm", "app:app"),
        STOP,
        nobody=True,
        by="the folder of the pid file is root's",
    ),
    "permission-denied/other-user": Scenario(
        app(HELLO),
        ("--user", "daemon", "--group", "daemon", "--worker-tmp-dir", "/dev/shm", "app:app"),
        STOP,
        nobody=True,
        by="an unprivileged server is told to become another user",
    ),
    "filesystem/django-logging": Scenario(
        {
            **app(_DJANGO, shop__urls="urlpatterns = []\n"),
            "shop/settings.py": _SETTINGS
            + "LOGGING = {'version': 1, 'handlers': {'file': {'class': 'logging.FileHandler', 'filename': '/var/log/shop/web.log'}},\n"
            "           'root': {'handlers': ['file']}}\n",
        },
        ("-w", "2", "app:application"),
        by="Django's log file goes to a folder that is not there",
    ),
    "filesystem/sqlite-full": Scenario(
        app(
            "import sqlite3\n\nindex = sqlite3.connect('cache/index.db')\nindex.execute('create table words (word blob)')\n"
            "index.executemany('insert into words values (?)', [(b'x' * 100_000,)] * 40)\nindex.commit()\n" + HELLO
        ),
        prepare=("mkdir cache",),
        command=(
            "unshare",
            "-m",
            "sh",
            "-c",
            "mount -t tmpfs -o size=1m tmpfs cache && exec gunicorn --preload --bind 127.0.0.1:$PORT app:app",
        ),
        by="SQLite on a volume that is full",
    ),
    "resource-limit/asyncio": Scenario(
        app(
            "import os\n\nheld = []\n\n\nasync def app(scope, receive, send):\n    if scope['type'] == 'http':\n"
            "        held.extend(os.dup(0) for _ in range(16))\n"
            "        await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
            "        await send({'type': 'http.response.body', 'body': b'fine'})\n"
        ),
        command=(
            "prlimit",
            "--nofile=64:64",
            "{gunicorn}",
            "-k",
            "uvicorn_worker.UvicornWorker",
            "--bind",
            "127.0.0.1:{port}",
            "app:app",
        ),
        acts=("wait startup complete", "sleep 0.5", *["start /"] * 6, "wait Too many open files", "leave"),
        only=("23.0.0", "27.0.1"),
        by="an ASGI app leaks descriptors until the loop cannot accept",
    ),
    "resource-limit/loops": Scenario(
        app("import asyncio\n\nloops = [asyncio.new_event_loop() for _ in range(30)]\n" + HELLO),
        command=("prlimit", "--nofile=48:48", "{gunicorn}", "--bind", "127.0.0.1:{port}", "app:app"),
        acts=("wait Booting worker", "sleep 2", "leave"),
        by="an event loop for each tenant needs more descriptors than allowed",
    ),
    "illegal-instruction/preload": Scenario(
        {**app(_UD2 + HELLO), "start.sh": _SHELL},
        command=("bash", "start.sh"),
        by="the master itself executes such an instruction under --preload; the shell says so",
    ),
    "illegal-instruction/thread": Scenario(
        app(
            "import threading\n\n\ndef warm():\n    import kernels\n\n\nthreading.Timer(0.7, warm).start()\n" + HELLO,
            kernels=_UD2,
        ),
        ("-k", "gthread", "-w", "2", "app:app"),
        (*SERVE, "sleep 2", "leave"),
        by="a background thread of a serving worker executes such an instruction",
    ),
    "native-crash/bus": Scenario(
        app(
            "import mmap\n\nmodel = open('model.bin', 'w+b')\nmodel.truncate(1 << 20)\nview = mmap.mmap(model.fileno(), 0)\n"
            "model.truncate(0)\nprint(view[4096], flush=True)\n" + HELLO
        ),
        ("-w", "2", "app:app"),
        ("wait Booting worker", "sleep 1", "leave"),
        by="a mapped file is cut while it is read: SIGBUS",
    ),
    "native-crash/cxx": Scenario(
        {
            **app("import ctypes\n\nctypes.CDLL(__file__.replace('app.py', 'fast.so')).load()\n" + HELLO),
            "fast.cpp": '#include <stdexcept>\nextern "C" void load() { throw std::runtime_error("bad model header"); }\n',
        },
        ("-w", "2", "app:app"),
        ("wait Booting worker", "sleep 1", "leave"),
        prepare=("g++ -shared -fPIC fast.cpp -o fast.so",),
        by="an exception of C++ that nobody catches, at import",
    ),
    "native-crash/preload": Scenario(
        {**app("import ctypes\n\nctypes.string_at(0)\n" + HELLO), "start.sh": _SHELL},
        command=("bash", "start.sh"),
        by="the master itself crashes under --preload; the shell says so",
    ),
    "oom-kill/preload": Scenario(
        {
            **app("print('loading embeddings', flush=True)\ntable = bytearray(b'x' * (400 << 20))\n" + HELLO),
            "start.sh": _SHELL,
        },
        command=("bash", "start.sh"),
        memory=160,
        by="the control group's memory is used up by the master under --preload; the shell says so",
    ),
    "oom-kill/cache": Scenario(
        app(
            FLASK
            + "cache = []\n\n\n@app.get('/orders')\ndef orders():\n    cache.append(b'x' * (60 << 20))\n    return 'fine'\n"
        ),
        ("-k", "gthread", "--threads", "4", *ACCESS, "app:app"),
        (*SERVE, *["get /orders"] * 5, "sleep 2", "get /", "signal TERM"),
        memory=200,
        by="a cache grows with each request until the control group's memory is used up",
    ),
    "monkey-patch-late/smtp": Scenario(
        app(
            "from mailer import context\nfrom gevent import monkey\n\nmonkey.patch_all()\n\n"
            + _HTTPS.format("context()"),
            mailer="from ssl import PROTOCOL_TLS_CLIENT, SSLContext, TLSVersion\n\n\ndef context():\n"
            "    made = SSLContext(PROTOCOL_TLS_CLIENT)\n    made.minimum_version = TLSVersion.TLSv1_2\n    return made\n",
        ),
        ("-k", "gthread", "--threads", "4", *ACCESS, "app:app"),
        ("wait Booting worker", "sleep 2", "get /orders", "get /orders", "sleep 1", "signal TERM"),
        by="the app patches after its own mailer has taken the name of a TLS context",
    ),
    "monkey-patch-late/hook": Scenario(
        {
            **app("import requests\n" + _HTTPS.format("requests.get('https://127.0.0.1:1/')")),
            "gunicorn.conf.py": "preload_app = True\nworkers = 2\n\n\ndef post_fork(server, worker):\n"
            "    from gevent import monkey\n\n    monkey.patch_all()\n",
        },
        ("app:app",),
        ("wait Booting worker", "sleep 2", "get /rates", "sleep 1", "signal TERM"),
        by="a hook patches after the fork what --preload has imported",
    ),
    "app-not-found/file-name": Scenario(app(HELLO), ("-w", "2", "app.py"), by="the file's name in place of the module"),
    "app-not-found/slash": Scenario(
        app("", backend__app=HELLO), ("--preload", "backend/app:app"), by="a path in place of a dotted name"
    ),
}
