"""A seventh set, start and native code: other launchers, hooks, libraries and moments than in the six before."""

from __future__ import annotations

from scenarios_fourth import ASGI, CERTIFICATE, LIFESPAN, PROJECT, UVICORN, installed, scripted
from scenarios_launch import SUPERVISED, supervised
from scenarios_third_app import SETTINGS, django
from scene import ACCESS, FLASK, HELLO, SERVE, Scenario, app

QUART = (
    "from quart import Quart\n{}\napp = Quart(__name__)\n\n\n@app.before_serving\nasync def start():\n    {}\n\n\n"
    "@app.get('/')\nasync def index():\n    return 'fine'\n\n\n"
)
FALCON = (
    "import falcon\n{}\n\nclass Orders:\n    def on_get(self, request, response):\n        {}\n\n\n"
    "class Index:\n    def on_get(self, request, response):\n        response.media = 'fine'\n\n\n"
    "app = falcon.App()\napp.add_route('/orders', Orders())\napp.add_route('/', Index())\n"
)
READY = (
    "from django.apps import AppConfig\n\n\nclass ShopConfig(AppConfig):\n    name = 'shop'\n\n"
    "    def ready(self):\n        {}\n"
)
WITH_SHOP = SETTINGS.replace("[]", "['shop.apps.ShopConfig']")
AS_NOBODY = (
    "setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all,+dac_read_search "
    "--inh-caps=+dac_read_search --ambient-caps=+dac_read_search"
)
_UD2 = 'void warm(void) { __asm__("ud2"); }\n'
_BUILT = ("gcc -shared -fPIC -O0 fast.c -o fast.so",)
_CERTIFIED = (CERTIFICATE.format("tls.key", "tls.crt", "-nodes"),)
_HEARTBEAT = ("mkdir -m 777 beat",)
_BEAT = ("--worker-tmp-dir", "beat")
_CONTEXT = (
    "def app(environ, start_response):\n    context = create_urllib3_context()\n"
    "    context.load_default_certs()\n    start_response('200 OK', [])\n    return [b'fine']\n"
)

SCENARIOS: dict[str, Scenario] = {
    "launcher-error/make": Scenario(
        {
            **app(HELLO),
            "Makefile": "serve: static\n\t.venv/bin/gunicorn -w 4 --bind :8000 app:app\n\nstatic:\n"
            "\t@echo 'copying static files'\n",
        },
        command=("make", "--no-print-directory", "serve"),
        by="make serves with the program of an environment that was never made",
    ),
    "launcher-error/start-stop-daemon": Scenario(
        app(HELLO),
        command=("start-stop-daemon", "--start", "--chuid", "shop", "--exec", "{gunicorn}", "--", "app:app"),
        by="an old init script's user is not on the new machine",
    ),
    "launcher-error/node": Scenario(
        {
            **app(HELLO),
            "serve.js": "const { spawn } = require('child_process');\nconsole.log('> starting api and web');\n"
            "spawn('venv/bin/gunicorn', ['-w', '2', 'app:app'], { stdio: 'inherit' });\n",
        },
        command=("node", "serve.js"),
        by="a script of Node that starts the backend does not find it",
    ),
    "config-file-error/nworkers-changed": Scenario(
        {
            **app(HELLO),
            "gunicorn.conf.py": "workers = 3\n\n\ndef nworkers_changed(server, new_value, old_value):\n"
            "    server.log.info('workers: %+d', new_value - old_value)\n",
        },
        by="a hook for the number of workers does not expect that there was none before",
    ),
    "config-file-error/on-reload": Scenario(
        {
            **app(HELLO),
            "conf.py": "accesslog = '-'\nthreads = 2\n\n\ndef on_reload(server):\n"
            "    server.log.info('reloading release %s', server.cfg.env['RELEASE'])\n",
        },
        ("-c", "conf.py", "app:app"),
        (*SERVE, "signal HUP", "sleep 2"),
        by="the hook for reloads looks for a variable that gunicorn was not given",
    ),
    "config-file-error/cmd-args": Scenario(
        app(HELLO),
        ("app:app",),
        environ={"GUNICORN_CMD_ARGS": "--workers=2 --access-log=- --timeout=60"},
        by="an option in the environment is cut short and could be either of two",
    ),
    "worker-class-unavailable/asgi": Scenario(
        app(LIFESPAN.format("", "pass")),
        ("-k", "asgi", "-w", "2", "app:app"),
        only=("20.1.0", "23.0.0"),
        by="the worker for ASGI is only in later versions of gunicorn",
    ),
    "worker-class-unavailable/old-uvicorn": Scenario(
        app(LIFESPAN.format("", "pass")),
        ("app:app",),
        prepare=installed("--no-deps uvicorn==0.11.8"),
        environ={**PROJECT, "GUNICORN_CMD_ARGS": "-k uvicorn_worker.UvicornWorker -w 2"},
        by="the uvicorn of the project is older than the worker that is installed for it",
    ),
    "worker-class-unavailable/new-eventlet": Scenario(
        app(HELLO),
        ("-k", "eventlet", "-w", "2", "app:app"),
        prepare=installed("--no-deps eventlet==0.39.1"),
        environ=PROJECT,
        only=("20.1.0",),
        by="an eventlet that is too new for its worker",
    ),
    "native-library/libpq": Scenario(
        scripted(
            "mount --bind empty /etc/ld.so.cache\nexport PATH=$BIN\n"
            "exec gunicorn -w 2 --bind 127.0.0.1:$PORT app:app\n",
            "from orders.store import connect\n" + HELLO,
            orders__store="import psycopg\n\nconnect = psycopg.connect\n",
        ),
        command=("unshare", "-m", "sh", "start.sh"),
        prepare=("touch empty",),
        environ={"PSYCOPG_IMPL": "python"},
        by="psycopg without its binaries finds no libpq",
    ),
    "native-library/glibcxx": Scenario(
        scripted(
            "export LD_LIBRARY_PATH=$ROOT/conda/lib\nexec gunicorn -k gthread -w 2 --bind 127.0.0.1:$PORT app:app\n",
            "from catalog import stub\n" + HELLO,
            catalog="import grpc\n\nstub = grpc.insecure_channel('catalog:50051')\n",
        ),
        command=("sh", "start.sh"),
        prepare=(
            "mkdir -p conda/lib; echo 'int nothing;' > stub.c; echo 'GLIBCXX_3.4.5 { global: *; };' > map",
            "gcc -shared -fPIC -Wl,-soname,libstdc++.so.6 -Wl,--version-script=map stub.c -o conda/lib/libstdc++.so.6",
        ),
        by="an old C++ library of another environment comes before the system's",
    ),
    "tls-error/base64": Scenario(
        app(HELLO),
        ("-k", "gthread", "--threads", "2", "--certfile", "tls.crt", "--keyfile", "secret.key", "app:app"),
        ("wait Booting worker", "sleep 1.2", "tls", "sleep 0.3", "tls", "sleep 0.5", "signal TERM"),
        prepare=(*_CERTIFIED, "base64 -w0 tls.key > secret.key"),
        only=("20.1.0", "23.0.0"),
        by="a key that was taken from a secret without being decoded",
    ),
    "tls-error/renewal": Scenario(
        scripted(
            "gunicorn -k uvicorn_worker.UvicornWorker -w 2 --bind 127.0.0.1:$PORT --certfile tls.crt --keyfile tls.key "
            "app:app &\nsleep 4\necho 'certbot: deploying renewed certificate'\ncp new.crt tls.crt\n"
            "kill -HUP $!\nwait $!\n",
            LIFESPAN.format("", "pass"),
        ),
        command=("sh", "start.sh"),
        prepare=(*_CERTIFIED, CERTIFICATE.format("new.key", "new.crt", "-nodes")),
        acts=("wait startup complete", "sleep 6", "leave"),
        seconds=15,
        only=ASGI,
        by="a renewed certificate is put beside the old key, and a reload takes it",
    ),
    "address-in-use/draining": Scenario(
        scripted(
            'serve="gunicorn --graceful-timeout 30 --access-logfile - --bind 127.0.0.1:$PORT app:app"\n'
            "$serve &\nold=$!\nsleep 3\ncurl -s -m 20 http://127.0.0.1:$PORT/report >/dev/null &\nsleep 1\n"
            "echo 'deploy: stopping release 41'\nkill -TERM $old\nsleep 0.7\n"
            "echo 'deploy: starting release 42'\n$serve\nwait $old\n",
            "import time\n\n\ndef app(environ, start_response):\n    time.sleep(14)\n"
            "    start_response('200 OK', [])\n    return [b'late']\n",
        ),
        command=("sh", "start.sh"),
        seconds=25,
        by="the release before still finishes a request when the next one starts",
    ),
    "address-in-use/node": Scenario(
        {
            **scripted("node front.js &\nsleep 1.5\nexec gunicorn -k gthread -w 2 app:app\n"),
            "front.js": "require('http').createServer((q, r) => r.end('front')).listen(@PORT@, '127.0.0.1', "
            "() => console.log('> Ready on http://127.0.0.1:@PORT@'));\n",
            "gunicorn.conf.py": "import os\n\nbind = '127.0.0.1:' + os.environ['PORT']\n",
        },
        command=("sh", "start.sh"),
        by="frontend and backend in one container take the same $PORT",
    ),
    "bad-bind-address/star": Scenario(
        supervised("command=gunicorn -w 2 --bind *:8000 app:app\nstartretries=1\n"),
        command=SUPERVISED,
        acts=("wait FATAL", "sleep 0.3", "signal TERM"),
        seconds=25,
        by="a star where the address must be, as other servers take it",
    ),
    "bad-bind-address/link-local": Scenario(
        app(HELLO),
        ("-w", "2", "app:app"),
        command=("{gunicorn}", "--bind", "[fe80::1c2d:3eff:fe4f:5a6b]:8000", "-w", "2", "app:app"),
        only=ASGI,
        by="a link-local address without its interface",
    ),
    "permission-denied/logrotate": Scenario(
        scripted(
            "touch log/access.log; chown -R 65534 log; (\nsleep 3\necho 'logrotate: rotating log/access.log'\n"
            "mv log/access.log log/access.log.1; install -m 600 -o root /dev/null log/access.log\n"
            "kill -USR1 $(cat beat/web.pid)) &\n"
            f"exec {AS_NOBODY} gunicorn --worker-tmp-dir beat "
            "--pid beat/web.pid -w 2 --bind 127.0.0.1:$PORT --access-logfile log/access.log app:app\n",
        ),
        command=("sh", "start.sh"),
        prepare=(*_HEARTBEAT, "mkdir log"),
        acts=(*SERVE, "sleep 3"),
        by="logrotate makes the new log for root, and the server is told to reopen it",
    ),
    "permission-denied/raw-socket": Scenario(
        app(
            QUART.format(
                "import socket\n",
                "app.ping = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)",
            )
        ),
        (*UVICORN, "-w", "2", *_BEAT, "app:app"),
        nobody=True,
        prepare=_HEARTBEAT,
        only=ASGI,
        by="an app that pings may not open a raw socket",
    ),
    "permission-denied/converter": Scenario(
        app(
            "import subprocess\n\nVERSION = subprocess.check_output(['./bin/wkhtmltopdf', '--version'])\n" + HELLO,
        ),
        ("-k", "gevent", "-w", "2", "app:app"),
        prepare=("mkdir bin; printf '#!/bin/sh\\necho 0.12\\n' > bin/wkhtmltopdf",),
        by="a program that the app runs has lost its execute bit",
    ),
    "filesystem/link-circle": Scenario(
        scripted(
            "echo '{}' > flags-41.json; ln -s flags-41.json flags.json\n"
            "gunicorn -w 2 --bind 127.0.0.1:$PORT --access-logfile - app:app &\nsleep 3\n"
            "echo 'deploy: linking flags of release 42'\nln -sfn flags.json flags.json\nkill -HUP $!\nwait $!\n",
            "import json\n\nwith open('flags.json') as file:\n    FLAGS = json.load(file)\n" + HELLO,
        ),
        command=("sh", "start.sh"),
        acts=(*SERVE,),
        by="a deploy makes a link that leads to itself, and a reload follows it",
    ),
    "filesystem/embeddings": Scenario(
        app(QUART.format("import numpy as np\n", "app.vectors = np.load('/mnt/models/embeddings.npy', mmap_mode='r')")),
        (*UVICORN, "-w", "2", "app:app"),
        only=ASGI,
        by="the volume with what was learnt is not mounted",
    ),
    "resource-limit/reload-fork": Scenario(
        app(HELLO),
        nobody=True,
        command=(
            *("prlimit", "--nproc=7:7", "{gunicorn}", *_BEAT, "--bind", "127.0.0.1:{port}", "-w", "5"),
            *(*ACCESS, "app:app"),
        ),
        prepare=_HEARTBEAT,
        acts=(*SERVE, "signal HUP", "sleep 2"),
        by="a reload doubles the workers for a moment, and the user may not have so many processes",
    ),
    "resource-limit/shards": Scenario(
        app(
            QUART.format(
                "from pathlib import Path\n",
                "app.shards = [path.open('rb') for path in sorted(Path('shards').iterdir())]",
            )
        ),
        command=(
            *("prlimit", "--nofile=80:80", "{gunicorn}", "-k", "uvicorn_worker.UvicornWorker", "-w", "2"),
            *("--bind", "127.0.0.1:{port}", "app:app"),
        ),
        prepare=("mkdir shards; for n in $(seq 100 250); do echo x > shards/part-$n.idx; done",),
        only=ASGI,
        by="an index has more files than a worker may open",
    ),
    "illegal-instruction/ready": Scenario(
        {
            **django(
                WITH_SHOP,
                shop__apps=READY.format("import ctypes\n\n        ctypes.CDLL('./fast.so').warm()"),
            ),
            "fast.c": _UD2,
        },
        ("-w", "2", "app:application"),
        ("wait Booting worker", "sleep 2", "leave"),
        prepare=_BUILT,
        by="a Django app warms up native code for another processor when it is ready",
    ),
    "illegal-instruction/supervised": Scenario(
        {
            **supervised("command=gunicorn --preload -w 2 --bind 127.0.0.1:@PORT@ app:app\nstartretries=2\n"),
            **app("import ctypes\n\nctypes.CDLL('./fast.so').warm()\n" + HELLO),
            "fast.c": _UD2,
        },
        prepare=_BUILT,
        command=SUPERVISED,
        acts=("wait FATAL", "sleep 0.3", "signal TERM"),
        seconds=25,
        by="the master executes such an instruction under --preload, and supervisord says so",
    ),
    "native-crash/job": Scenario(
        app(
            "import ctypes\n\nfrom apscheduler.schedulers.background import BackgroundScheduler\n\n\n"
            "def refresh_prices():\n    ctypes.string_at(8)\n\n\njobs = BackgroundScheduler()\n"
            "jobs.add_job(refresh_prices, 'interval', seconds=3)\njobs.start()\n" + HELLO
        ),
        ("-k", "gthread", "--threads", "2", *ACCESS, "app:app"),
        (*SERVE, "sleep 3.5", "get /", "sleep 0.5", "leave"),
        environ={"PYTHONFAULTHANDLER": "1"},
        by="a scheduled job crashes in native code while its worker serves, with Python's fault handler on",
    ),
    "native-crash/heap": Scenario(
        {
            **app(
                QUART.format("import ctypes\n", "app.fast = ctypes.CDLL('./fast.so')")
                + "@app.get('/resize')\nasync def resize():\n    return str(app.fast.resize())\n"
            ),
            "fast.c": "#include <stdlib.h>\n#include <string.h>\nint resize(void) { char *row = malloc(640); "
            "memset(row, 0, 640); row += 8; free(row); return 0; }\n",
        },
        (*UVICORN, "-w", "2", *ACCESS, "app:app"),
        ("wait startup complete", "sleep 1", "get /", "get /resize", "sleep 1.5", "get /resize", "sleep 1", "leave"),
        prepare=_BUILT,
        only=ASGI,
        by="native code frees what it was not given, in requests of an ASGI app: glibc aborts",
    ),
    "oom-kill/hook": Scenario(
        {
            **app(HELLO),
            "gunicorn.conf.py": "workers = 2\n\n\ndef post_worker_init(worker):\n"
            "    worker.log.info('loading embeddings')\n"
            "    worker.vectors = [b'%d' % n * (1 << 18) for n in range(4000)]\n",
        },
        acts=("wait Booting worker", "sleep 5", "leave"),
        memory=180,
        by="a hook loads more into each worker than the control group's memory",
    ),
    "oom-kill/matrix": Scenario(
        app(
            FALCON.format(
                "import numpy as np\n",
                "response.media = float(sum(np.random.rand(2000, 2000) @ np.ones(2000) for _ in range(2)).sum() + "
                "np.stack([np.random.rand(3000, 3000) for _ in range(40)]).sum())",
            )
        ),
        ("-w", "2", "-k", "gthread", *ACCESS, "app:app"),
        (*SERVE, "get /orders", "sleep 1", "get /", "signal TERM"),
        memory=350,
        seconds=25,
        by="a report is computed from matrices that the control group's memory does not hold",
    ),
    "monkey-patch-late/vault": Scenario(
        app(
            f"import hvac\n{FLASK}@app.get('/secret')\ndef secret():\n"
            "    return str(hvac.Client(url='https://127.0.0.1:@PORT@').sys.read_health_status())\n"
        ),
        ("--preload", "-k", "gevent", "-w", "2", *ACCESS, "app:app"),
        (*SERVE, "get /secret", "sleep 1", "signal TERM"),
        by="--preload imports the client of a secrets store before the gevent worker patches ssl",
    ),
    "monkey-patch-late/eventlet": Scenario(
        app("import ssl\n\nfrom urllib3.util.ssl_ import create_urllib3_context\n\n\n" + _CONTEXT),
        ("--preload", "-k", "eventlet", "-w", "2", *ACCESS, "app:app"),
        (*SERVE, "sleep 1", "signal TERM"),
        prepare=installed("--no-deps eventlet==0.39.1"),
        environ=PROJECT,
        only=("23.0.0",),
        by="--preload imports urllib3 before the eventlet worker patches ssl",
    ),
}
