"""A fourth set, start and native code: other frameworks, launch ways and moments than in the three before."""

from __future__ import annotations

from scenarios_launch import SUPERVISED, supervised
from scene import ACCESS, HELLO, SERVE, Scenario, app

UVICORN = ("-k", "uvicorn_worker.UvicornWorker")
ASGI = ("23.0.0", "27.0.1")
PROJECT = {"PYTHONPATH": ".venv/lib/site-packages"}
"""An environment inside of the project's folder, before the one that gunicorn is in."""
LIFESPAN = (
    "from contextlib import asynccontextmanager\n\nfrom starlette.applications import Starlette\n"
    "from starlette.responses import PlainTextResponse\nfrom starlette.routing import Mount, Route\n{}\n\n\n@asynccontextmanager\n"
    "async def lifespan(app):\n    {}\n    yield\n\n\nasync def index(request):\n    return PlainTextResponse('fine')\n\n\n"
    "app = Starlette(routes=[Route('/', index)], lifespan=lifespan)\n"
)
CERTIFICATE = "openssl req -x509 -newkey rsa:2048 -days 2 -subj /CN=shop.example -keyout {} -out {} {} 2>/dev/null"
_UD2 = (
    "import ctypes\nimport mmap\n\n\ndef warm():\n    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
    "    page.write(bytes.fromhex('0f0bc3'))\n    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()\n"
)
_GLIBC = (
    "echo 'int strlcpy(char *a, const char *b, unsigned long n) { return 0; }' > stub.c; echo 'GLIBC_2.38 { global: *; };' > map",
    "mkdir stub; gcc -shared -fPIC -fno-builtin -nostdlib -Wl,-soname,libc.so.6 -Wl,--version-script=map stub.c -o stub/libc.so.6",
    "gcc -shared -fPIC -fno-builtin -nostdlib -I$($PYTHON -c 'import sysconfig; print(sysconfig.get_paths()[\"include\"])') "
    "fast.c stub/libc.so.6 -o codec/_fast.so",
)


def installed(what: str) -> tuple[str, ...]:
    """Return what puts packages into the project's own environment."""
    return (
        f"$BIN/pip -q install --no-compile --disable-pip-version-check --target .venv/lib/site-packages {what} 2>/dev/null",
    )


def scripted(text: str, source: str = HELLO, **more: str) -> dict[str, str]:
    """Return the files of an app and its start script."""
    return {**app(source, **more), "start.sh": text}


SCENARIOS: dict[str, Scenario] = {
    "launcher-error/one-string": Scenario(
        app(HELLO),
        command=("tini", "-g", "--", "gosu", "root", "gunicorn app:app --workers 2"),
        by="an image's command has all its words in one string",
    ),
    "launcher-error/source": Scenario(
        scripted("set -e\necho 'Collecting static files'\nsource venv/bin/activate\nexec gunicorn -w 2 app:app\n"),
        command=("sh", "start.sh"),
        by="the start script was written for bash, and sh runs it",
    ),
    "launcher-error/env-file": Scenario(
        {
            **scripted("set -ae\n. ./.env\nexec python -m gunicorn app:app\n"),
            ".env": "DEBUG=0\nSHOP_NAME=Corner Shop\n",
        },
        command=("sh", "start.sh"),
        by="a value with a space, unquoted, in the file of variables that the start script reads",
    ),
    "launcher-error/supervisor-percent": Scenario(
        supervised('command=gunicorn -w 2 app:app\nenvironment=DATABASE_PASSWORD="s%%3cret%9",SHOP_NAME="corner"\n'),
        command=SUPERVISED,
        by="supervisord takes the percent sign of a password for one of its own names",
    ),
    "config-file-error/python-module": Scenario(
        app(HELLO, shop__conf="workers = 2\n"),
        command=("{python}", "-m", "gunicorn", "-c", "python:shop.gunicorn_conf", "app:app"),
        by="the configuration is named as a module that is not there",
    ),
    "config-file-error/arity": Scenario(
        {**app(HELLO), "gunicorn.conf.py": "workers = 2\n\n\ndef when_ready():\n    print('ready')\n"},
        by="a hook takes fewer arguments than gunicorn gives it",
    ),
    "config-file-error/log-formatter": Scenario(
        {
            **app(HELLO),
            "gunicorn.conf.py": "logconfig_dict = {\n    'version': 1,\n    'formatters': {'json': {'()': 'pythonjsonlogger.json.JsonFormatter'}},\n"
            "    'handlers': {'console': {'class': 'logging.StreamHandler', 'formatter': 'json'}},\n    'root': {'handlers': ['console']},\n}\n",
        },
        command=("{python}", "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "-w", "2", "app:app"),
        by="the logging configuration names a formatter that is not installed",
    ),
    "config-file-error/raw-env": Scenario(
        app(HELLO),
        ("-e", "DJANGO_SETTINGS_MODULE", "-w", "2", "app:app"),
        by="a variable is set on the command line without a value",
    ),
    "config-file-error/reload": Scenario(
        {
            **scripted(
                "gunicorn app:app --bind 127.0.0.1:$PORT &\nsleep 3\necho 'threads = os.cpu_count()' >> gunicorn.conf.py\n"
                "kill -HUP $!\nwait $!\n"
            ),
            "gunicorn.conf.py": "workers = 2\naccesslog = '-'\n",
        },
        command=("sh", "start.sh"),
        by="an edit of the configuration is wrong, and a reload reads it",
    ),
    "worker-class-unavailable/old-eventlet": Scenario(
        app(HELLO),
        ("-k", "eventlet", "-w", "2", "app:app"),
        prepare=installed("--no-deps eventlet==0.33.3 dnspython six"),
        environ=PROJECT,
        only=ASGI,
        by="an eventlet from before Python 3.12",
    ),
    "worker-class-unavailable/websocket": Scenario(
        app(HELLO),
        environ={"GUNICORN_CMD_ARGS": "--worker-class=geventwebsocket.gunicorn.workers.GeventWebSocketWorker -w 1"},
        by="a worker class of a package that is not installed, named in the environment",
    ),
    "worker-class-unavailable/uvloop": Scenario(
        {**app(HELLO), "gunicorn.conf.py": "worker_class = 'aiohttp.worker.GunicornUVLoopWebWorker'\nworkers = 3\n"},
        by="the worker class of aiohttp that wants uvloop, without it",
    ),
    "native-library/zbar": Scenario(
        app("from shop import codes\n" + HELLO, shop__codes="from pyzbar import pyzbar\n\nread = pyzbar.decode\n"),
        ("-w", "2", "app:app"),
        by="a wrapper finds no library to wrap",
    ),
    "native-library/glibc": Scenario(
        {
            **app("from codec import _fast\n" + HELLO),
            "codec/__init__.py": "",
            "fast.c": '#include <Python.h>\nextern int strlcpy_(char *, const char *, unsigned long) __asm__("strlcpy");\n'
            'static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_fast", NULL, -1, NULL};\n'
            'PyMODINIT_FUNC PyInit__fast(void) { char a[2]; strlcpy_(a, "a", 2); return PyModule_Create(&module); }\n',
        },
        ("--preload", "app:app"),
        prepare=_GLIBC,
        by="a module built where the C library is newer",
    ),
    "tls-error/uvicorn-no-key": Scenario(
        app(LIFESPAN.format("", "pass")),
        (*UVICORN, "-w", "2", "--certfile", "fullchain.pem", "app:app"),
        prepare=(CERTIFICATE.format("privkey.pem", "fullchain.pem", "-nodes"),),
        only=ASGI,
        seconds=3,
        by="a certificate without its key, in uvicorn's worker",
    ),
    "tls-error/pass-phrase": Scenario(
        scripted(
            "exec gunicorn --bind 127.0.0.1:$PORT -k gthread --certfile shop.crt --keyfile shop.key app:app </dev/null\n"
        ),
        command=("sh", "start.sh"),
        acts=("wait Booting worker", "sleep 1", "tls", "sleep 0.5", "tls", "sleep 0.5", "signal TERM"),
        prepare=(CERTIFICATE.format("shop.key", "shop.crt", "-passout pass:hunter22secret"),),
        only=ASGI,
        by="the key has a pass phrase that nobody can be asked for",
    ),
    "address-in-use/reload": Scenario(
        {
            **scripted(
                "echo 127.0.0.1:0 > bind\ngunicorn -w 2 app:app &\nserver=$!\npython -m http.server $PORT >/dev/null 2>&1 &\nsleep 3\n"
                "echo 127.0.0.1:$PORT > bind\nkill -HUP $server\nwait $server\n"
            ),
            "gunicorn.conf.py": "bind = open('bind').read().strip()\n",
        },
        command=("sh", "start.sh"),
        seconds=20,
        by="a reload moves the server to a port that is taken",
    ),
    "address-in-use/honcho": Scenario(
        {
            **app(HELLO, admin=HELLO),
            "Procfile": "web: gunicorn --bind 127.0.0.1:@PORT@ app:app\nadmin: sleep 1 && gunicorn --bind 127.0.0.1:@PORT@ admin:app\n",
        },
        command=("{bin}/honcho", "start"),
        seconds=20,
        by="two processes of a Procfile have the same port",
    ),
    "bad-bind-address/long-socket": Scenario(
        app(HELLO),
        (
            "--bind=unix:/srv/customers/corner-shop/production/releases/20261128090432-adc6c9f/backend/shared/tmp/sockets/gunicorn-storefront.sock",
            "app:app",
        ),
        only=ASGI,
        by="the path of the socket is longer than the system allows",
    ),
    "bad-bind-address/descriptor": Scenario(
        app(HELLO), ("--bind=fd://7", "-w", "2", "app:app"), by="a descriptor that nobody has handed over"
    ),
    "bad-bind-address/loopback": Scenario(
        scripted(
            "gunicorn -w 2 app:app --bind 127.0.0.1:$PORT &\nserver=$!\nfor try in 1 2 3 4; do\n  sleep 1\n"
            "  curl -sS --resolve web:$PORT:127.0.0.2 http://web:$PORT/health && exit\ndone\n"
            "echo 'web:'$PORT' is not reachable from outside of the container, giving up'\nkill -TERM $server\nwait $server\n"
        ),
        command=("sh", "start.sh"),
        by="the server listens on the loopback of its container, and is asked at the container's name",
    ),
    "permission-denied/metrics": Scenario(
        app("from prometheus_client import Counter\n\norders = Counter('orders', 'Orders')\n" + HELLO),
        ("-w", "2", "--worker-tmp-dir", "/dev/shm", "app:app"),
        prepare=("mkdir metrics",),
        environ={"PROMETHEUS_MULTIPROC_DIR": "metrics"},
        nobody=True,
        by="the folder of the metrics is root's",
    ),
    "permission-denied/error-log": Scenario(
        app(HELLO),
        command=(
            "{python}",
            "-m",
            "gunicorn",
            "--bind",
            "127.0.0.1:{port}",
            "--error-logfile",
            "log/error.log",
            "app:app",
        ),
        prepare=("mkdir log",),
        nobody=True,
        by="gunicorn's own log goes to a folder of root's",
    ),
    "filesystem/no-temporary-folder": Scenario(
        scripted(
            "mount --bind /tmp /tmp && mount --bind /var/tmp /var/tmp && cd $ROOT\nmount -o remount,bind,ro /tmp\n"
            "mount -o remount,bind,ro /var/tmp\nexec gunicorn --bind 127.0.0.1:$PORT app:app\n"
        ),
        command=("unshare", "-m", "sh", "start.sh"),
        by="a container whose whole file system is read-only",
    ),
    "filesystem/pid-folder": Scenario(
        app(HELLO),
        ("--pid", "/run/shop-web/gunicorn.pid", "-w", "2", "app:app"),
        by="the folder of the pid file is not there",
    ),
    "filesystem/static": Scenario(
        app(
            "from starlette.applications import Starlette\nfrom starlette.routing import Mount\nfrom starlette.staticfiles import StaticFiles\n\n"
            "app = Starlette(routes=[Mount('/static', StaticFiles(directory='frontend/dist'))])\n"
        ),
        (*UVICORN, "-w", "2", "app:app"),
        only=ASGI,
        by="Starlette's folder of static files was not built",
    ),
    "filesystem/recycled": Scenario(
        {
            **scripted(
                "gunicorn -w 2 --max-requests 3 --access-logfile - --bind 127.0.0.1:$PORT app:app &\nsleep 3\n"
                "echo 'clean-up: catalogue/products.json is older than a day, removed'\nrm catalogue/products.json\nwait $!\n",
                "import json\n\nPRODUCTS = json.load(open('catalogue/products.json'))\n" + HELLO,
            ),
            "catalogue/products.json": "{}",
        },
        command=("sh", "start.sh"),
        acts=(*SERVE, "wait clean-up", "sleep 0.5", *["get /"] * 8, "sleep 2", "signal TERM"),
        seconds=20,
        by="a file is removed while the server runs, and a recycled worker wants it",
    ),
    "filesystem/dash-data": Scenario(
        app(
            "import csv\n\nfrom dash import Dash, html\n\nwith open('data/sales.csv', newline='') as file:\n    rows = list(csv.reader(file))\n\n"
            "app = Dash(__name__)\nserver = app.server\napp.layout = html.Div(len(rows))\n"
        ),
        ("--preload", "app:server"),
        by="the table that a Dash app shows is not in the image",
    ),
    "resource-limit/idle-clients": Scenario(
        app(HELLO),
        command=(
            "prlimit",
            "--nofile=32:32",
            "{gunicorn}",
            "-k",
            "gthread",
            "--threads",
            "4",
            "--bind",
            "127.0.0.1:{port}",
            "app:app",
        ),
        acts=("wait Booting worker", "sleep 1", *["connect"] * 28, "sleep 2", "leave"),
        by="more clients stay connected than the server may have descriptors",
    ),
    "resource-limit/pids": Scenario(
        scripted(
            "echo $$ > /sys/fs/cgroup/pids/shop/cgroup.procs\nexec gunicorn -k gthread --threads 16 --bind 127.0.0.1:$PORT app:app\n",
            HELLO.replace("    start", "    time.sleep(1)\n    start").replace("def", "import time\n\n\ndef"),
        ),
        prepare=("mkdir -p /sys/fs/cgroup/pids/shop; echo 6 > /sys/fs/cgroup/pids/shop/pids.max",),
        command=("sh", "start.sh"),
        acts=("wait Booting worker", "sleep 1.5", "storm /orders", "sleep 2", "leave"),
        by="the control group allows fewer threads than the server is told to have",
    ),
    "illegal-instruction/reload": Scenario(
        {
            **scripted(
                "gunicorn -w 2 --bind 127.0.0.1:$PORT app:app &\nsleep 3\ngcc -shared -fPIC fast.c -o fast.so\nkill -HUP $!\nsleep 2\n"
                "kill -TERM $!\nwait $!\n",
                "import ctypes\nimport os\n\nif os.path.exists('fast.so'):\n    ctypes.CDLL('./fast.so').warm()\n"
                + HELLO,
            ),
            "fast.c": 'void warm(void) { __asm__("ud2"); }\n',
        },
        command=("sh", "start.sh"),
        acts=(*SERVE,),
        by="a deploy brings native code for another processor, and a reload loads it",
    ),
    "illegal-instruction/lifespan": Scenario(
        app(LIFESPAN.format("import kernels", "kernels.warm()"), kernels=_UD2),
        (*UVICORN, "-w", "2", "app:app"),
        ("wait Booting worker", "sleep 0.7", "leave"),
        only=ASGI,
        environ={"PYTHONFAULTHANDLER": "1"},
        by="the lifespan of an ASGI app executes such an instruction, with Python's fault handler on",
    ),
    "native-crash/no-lock": Scenario(
        app("import ctypes\n\nctypes.CDLL(None).PyThreadState_Get()\n" + HELLO),
        ("-k", "gthread", "-w", "2", "app:app"),
        ("wait Booting worker", "sleep 0.4", "leave"),
        by="native code calls Python without holding its lock",
    ),
    "native-crash/recursion": Scenario(
        app(
            "import sys\n\nfrom bottle import default_app, route\n\nsys.setrecursionlimit(10**6)\n\n\ndef depth(n):\n    return depth(n + 1)\n\n\n"
            "@route('/tree')\ndef tree():\n    return str(depth(0))\n\n\n@route('/')\ndef index():\n    return 'fine'\n\n\napp = default_app()\n"
        ),
        ("-w", "2", *ACCESS, "app:app"),
        (*SERVE, "get /tree", "sleep 1.5", "get /", "get /tree", "sleep 1", "signal TERM"),
        only=("20.1.0",),
        by="a recursion without end, and a limit that is higher than the stack",
    ),
    "oom-kill/reload": Scenario(
        {
            **scripted(
                "gunicorn -w 2 --access-logfile - --bind 127.0.0.1:$PORT app:app &\nsleep 3\necho 'index rebuilt, reloading'\n"
                "echo 300 > index.size\nkill -HUP $!\nsleep 3\nkill -TERM $!\nwait $!\n",
                "size = int(open('index.size').read())\nprint(f'loading an index of {size} MB', flush=True)\ntable = b'x' * (size << 20)\n"
                + HELLO,
            ),
            "index.size": "20",
        },
        command=("sh", "start.sh"),
        acts=SERVE,
        memory=190,
        by="the index has grown, and the workers of a reload use up the control group's memory",
    ),
    "oom-kill/lifespan": Scenario(
        app(LIFESPAN.format("", "app.state.model = [bytearray(b'x' * (1 << 20)) for _ in range(300)]")),
        (*UVICORN, "-w", "2", "app:app"),
        memory=220,
        only=ASGI,
        seconds=3,
        by="each worker of an ASGI app loads a model, and the control group's memory is used up",
    ),
    "monkey-patch-late/config-module": Scenario(
        app(
            "import boto3\nimport falcon\n\n\nclass Files:\n    def on_get(self, request, response):\n"
            "        s3 = boto3.client('s3', region_name='eu-west-1', aws_access_key_id='a', aws_secret_access_key='b', endpoint_url='https://127.0.0.1:1')\n"
            "        response.media = s3.list_buckets()\n\n\napp = falcon.App()\napp.add_route('/files', Files())\n",
            shop__conf="import boto3\n\nworker_class = 'gevent'\nsession = boto3.Session()\n",
        ),
        ("-c", "python:shop.conf", *ACCESS, "app:app"),
        ("wait Booting worker", "sleep 2", "get /files", "get /files", "sleep 1", "signal TERM"),
        by="the configuration's module imports boto3 before the gevent worker patches ssl",
    ),
    "monkey-patch-late/pymongo": Scenario(
        app(
            "from bottle import default_app, route\nfrom pymongo import MongoClient\n\n\n@route('/orders')\ndef orders():\n"
            "    return str(MongoClient('mongodb://127.0.0.1:1/?tls=true').shop.orders.find_one())\n\n\napp = default_app()\n"
        ),
        ("--preload", "-k", "gevent", "-w", "2", "app:app"),
        ("wait Booting worker", "sleep 2", "get /orders", "sleep 1", "signal TERM"),
        by="--preload imports PyMongo before the gevent worker patches ssl",
    ),
    "app-not-found/wsgi-app": Scenario(
        {
            **app("", shop__config__wsgi=HELLO.replace("app(", "application(")),
            "gunicorn.conf.py": "wsgi_app = 'config.wsgi:application'\nworkers = 2\n",
        },
        (),
        by="the target stands in the configuration, and its package one folder deeper",
    ),
    "app-not-found/asgi": Scenario(
        app("", main=LIFESPAN.format("", "pass")), (*UVICORN, "main:api"), only=ASGI, by="an ASGI app has another name"
    ),
}
