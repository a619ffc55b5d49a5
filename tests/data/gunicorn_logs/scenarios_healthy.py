"""Servers that are well: deploys, re-execs, recycling, reloads, and apps that make a noise."""

from __future__ import annotations

from scenarios_launch import SUPERVISED, supervised
from scene import ACCESS, FLASK, HELLO, SERVE, Scenario, app

_OLD_NEW = "gunicorn --pid web.pid -w 2 --bind 127.0.0.1:$PORT app:app &\nsleep 3\n"
_NOISE = (
    "import logging\nimport warnings\n\nlogging.basicConfig(level=logging.INFO, format='%(asctime)s %(levelname)s %(name)s: %(message)s')\n"
    "log = logging.getLogger('shop')\n"
)
_ASGI = (
    "import logging\nfrom contextlib import asynccontextmanager\n\nfrom fastapi import FastAPI, HTTPException\n\n\n@asynccontextmanager\n"
    "async def lifespan(app):\n    print('warming the cache', flush=True)\n    yield\n    print('cache closed', flush=True)\n\n\n"
    "app = FastAPI(lifespan=lifespan)\n\n\n@app.get('/')\nasync def index():\n    return 'fine'\n\n\n@app.get('/gone')\n"
    "async def gone():\n    raise HTTPException(503, 'database is down')\n\n\n@app.get('/broken')\nasync def broken():\n    return {}['absent']\n"
)

SCENARIOS: dict[str, Scenario] = {
    "none/usr2": Scenario(
        {
            **app(HELLO),
            "deploy.sh": _OLD_NEW
            + "old=$(cat web.pid)\nkill -USR2 $old\nsleep 3\nkill -WINCH $old\nsleep 2\nkill -QUIT $old\nsleep 2\nkill -TERM $(cat web.pid)\nwait\nsleep 2\n",
        },
        command=("sh", "deploy.sh"),
        seconds=25,
        by="a new master by USR2, the old one winched and told to quit",
    ),
    "none/usr2-term": Scenario(
        {
            **app(HELLO),
            "deploy.sh": _OLD_NEW
            + "old=$(cat web.pid)\nkill -USR2 $old\nsleep 3\nkill -TERM $old\nsleep 3\nkill -TERM $(cat web.pid)\nsleep 2\n",
        },
        command=("sh", "deploy.sh"),
        seconds=25,
        by="a new master by USR2, the old one told to end",
    ),
    "none/deploy": Scenario(
        {
            **app(HELLO),
            "deploy.sh": "for release in 41 42 43; do\n  gunicorn --pid web.pid -w 2 --bind 127.0.0.1:$PORT app:app &\n  sleep 3\n"
            '  echo "deploying release $((release + 1))"\n  kill -TERM $(cat web.pid)\n  wait\ndone\n',
        },
        command=("sh", "deploy.sh"),
        seconds=25,
        by="three releases, one after the other in one log",
    ),
    "none/rolling": Scenario(
        {
            **app(HELLO),
            "deploy.sh": "gunicorn --bind unix:a.sock app:app & a=$!\ngunicorn --bind unix:b.sock app:app & b=$!\nsleep 3\n"
            "gunicorn --bind unix:c.sock app:app & c=$!\nsleep 2\nkill -TERM $a\nsleep 2\n"
            "gunicorn --bind unix:d.sock app:app & d=$!\nsleep 2\nkill -TERM $b\nsleep 2\nkill -TERM $c $d\nwait\n",
        },
        command=("sh", "deploy.sh"),
        seconds=25,
        by="two replicas replaced one by one, all in one log",
    ),
    "none/recycle": Scenario(
        app(FLASK),
        (
            "-w",
            "2",
            "-k",
            "gthread",
            "--threads",
            "2",
            "--max-requests",
            "3",
            "--max-requests-jitter",
            "1",
            *ACCESS,
            "app:app",
        ),
        (*SERVE, *["get /"] * 12, "sleep 2", *["get /"] * 4, "sleep 2", "signal TERM"),
        by="workers end after some requests and are replaced",
    ),
    "none/recycle-preload": Scenario(
        app(HELLO),
        ("--preload", "-w", "2", "--max-requests", "2", "app:app"),
        (*SERVE, *["get /"] * 8, "sleep 2", "signal TERM"),
        by="the same with --preload",
    ),
    "none/quit": Scenario(app(HELLO), ("-w", "3", *ACCESS, "app:app"), (*SERVE, "signal QUIT"), by="a quick stop"),
    "none/supervised": Scenario(
        supervised("command=gunicorn -w 2 --bind 127.0.0.1:@PORT@ app:app\n"),
        command=SUPERVISED,
        acts=("wait RUNNING", "sleep 2", "get /", "signal HUP", "sleep 6", "get /", "signal TERM"),
        seconds=25,
        by="supervisord starts it, restarts it and stops it",
    ),
    "none/honcho": Scenario(
        {**app(HELLO), "Procfile": "web: gunicorn -w 2 --bind 127.0.0.1:@PORT@ app:app\nworker: sleep 600\n"},
        command=("{bin}/honcho", "start"),
        acts=("wait Booting worker", "sleep 2", "get /", "signal TERM"),
        seconds=15,
        by="a Procfile with two processes, ended from the terminal",
    ),
    "none/fastapi": Scenario(
        app(_ASGI),
        ("-k", "uvicorn_worker.UvicornWorker", "-w", "2", *ACCESS, "app:app"),
        ("wait startup complete", "sleep 1.5", "get /", "get /gone", "get /broken", "get /", "signal TERM"),
        only=("23.0.0", "27.0.1"),
        by="an ASGI app with requests that fail",
    ),
    "none/warnings": Scenario(
        app(
            _NOISE
            + "warnings.warn('the old pagination is deprecated', DeprecationWarning)\nlog.warning('SECRET_KEY is short')\n"
            "log.error('could not connect to redis at cache:6379, caching is off')\ntry:\n    open('local_settings.yaml')\n"
            "except FileNotFoundError:\n    log.exception('no local settings, defaults it is')\n" + HELLO
        ),
        ("-w", "2", "app:app"),
        (*SERVE, "signal TERM"),
        by="an app that starts well and complains while it does",
    ),
    "none/failing-requests": Scenario(
        app(
            FLASK
            + "@app.get('/orders')\ndef orders():\n    import psycopg2\n\n    psycopg2.connect('postgresql://shop@127.0.0.1:1/shop')\n\n\n"
            "@app.get('/memory')\ndef memory():\n    raise MemoryError('the report is too large')\n\n\n@app.get('/exit')\ndef bad_input():\n    int('twelve')\n"
        ),
        ("-w", "2", *ACCESS, "app:app"),
        (*SERVE, "get /memory", "get /exit", "get /", "get /missing", "get /exit", "get /", "signal TERM"),
        by="requests that raise in a server that goes on",
    ),
    "none/bad-clients": Scenario(
        app(HELLO),
        (*ACCESS, "--log-level", "debug", "app:app"),
        (*SERVE, "tls", "sleep 0.5", "get /", "tls", "get /", "signal TERM"),
        by="clients that speak TLS to a plain server, logged in full",
    ),
    "none/reload-preload": Scenario(
        app(HELLO),
        ("--preload", "-w", "2", "app:app"),
        (*SERVE, "signal HUP", "sleep 2", "get /", "signal USR1", "sleep 1", "signal TERM"),
        by="a reload under --preload, and logs reopened",
    ),
    "none/graceful-finish": Scenario(
        app(
            "import time\n\n\ndef app(environ, start_response):\n    time.sleep(2)\n    start_response('200 OK', [])\n    return [b'late']\n"
        ),
        ("-w", "2", *ACCESS, "app:app"),
        ("wait Booting worker", "sleep 1.5", "start /slow", "sleep 0.5", "signal TERM"),
        by="a request that ends within the grace period of a stop",
    ),
}
