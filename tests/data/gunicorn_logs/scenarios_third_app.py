"""The third set, applications and services: other frameworks, other spellings and other moments than before."""

from __future__ import annotations

from scene import ACCESS, FLASK, HELLO, SERVE, Scenario, app

LOADED = (
    "import os\n\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"
    "from django.core.wsgi import get_wsgi_application\n\napplication = get_wsgi_application()\n"
)
SETTINGS = "SECRET_KEY = 'not-a-secret'\nINSTALLED_APPS = []\nROOT_URLCONF = 'shop.urls'\n"
_URLS = "urlpatterns = []\n"
_UVICORN = ("-k", "uvicorn_worker.UvicornWorker")
_ASGI = ("23.0.0", "27.0.1")


def django(settings: str = SETTINGS, before: str = LOADED, **more: str) -> dict[str, str]:
    """Return the files of a Django project."""
    return {**app(before, shop__settings=settings, shop__urls=_URLS, **more), "shop/__init__.py": ""}


SCENARIOS: dict[str, Scenario] = {
    "app-syntax-error/django-settings": Scenario(
        django(SETTINGS + "TIME_ZONE = \N{LEFT DOUBLE QUOTATION MARK}UTC\N{RIGHT DOUBLE QUOTATION MARK}\n"),
        ("-w", "2", "app:application"),
        by="typographic quotes in Django's settings",
    ),
    "app-syntax-error/encoding": Scenario(
        app("from texts import GREETING\n" + HELLO),
        prepare=("printf \"GREETING = 'caf\\351'\\n\" > texts.py",),
        by="a module saved in Latin-1",
    ),
    "app-syntax-error/await": Scenario(
        app("import asyncio\n\n\ndef load():\n    return await asyncio.sleep(0)\n\n\n" + HELLO),
        ("--preload", "app:app"),
        by="await outside of an async function",
    ),
    "version-incompatible/flask-hook": Scenario(
        app(FLASK + "@app.before_first_request\ndef warm():\n    pass\n"),
        ("-w", "2", "app:app"),
        by="code for Flask 2.2 with a newer one",
    ),
    "version-incompatible/httpx-proxies": Scenario(
        app(
            "from sdk import Client\n\nclient = Client()\n" + HELLO,
            sdk="import httpx\n\n\nclass Client:\n    def __init__(self):\n        self.http = httpx.Client(proxies=None)\n",
        ),
        by="a client written for httpx 0.27 with a newer one",
    ),
    "version-incompatible/imp": Scenario(
        app("import imp\n" + HELLO), ("-w", "2", "app:app"), only=_ASGI, by="a module that Python 3.12 removed"
    ),
    "dependency-missing/multipart": Scenario(
        app(
            "from fastapi import FastAPI, Form\n\napp = FastAPI()\n\n\n@app.post('/login')\ndef login(name: str = Form()):\n    return name\n"
        ),
        ("-w", "2", "app:app"),
        by="FastAPI wants another package for forms",
    ),
    "dependency-missing/email": Scenario(
        app(
            "from pydantic import BaseModel, EmailStr\n\n\nclass Customer(BaseModel):\n    mail: EmailStr\n\n\n" + HELLO
        ),
        by="pydantic wants another package for addresses",
    ),
    "app-import-error/src-layout": Scenario(
        app("", src__shop__app="from shop.models import Order\n" + HELLO, src__shop__models="class Order:\n    pass\n"),
        ("-w", "2", "src.shop.app:app"),
        by="started above src, while the modules import each other as from inside it",
    ),
    "app-import-error/circular-attribute": Scenario(
        app(
            "import shop.models\n" + HELLO,
            shop__models="import shop.prices\n\n\nclass Order:\n    pass\n",
            shop__prices="import shop.models\n\nDEFAULT = shop.models.Order()\n",
        ),
        by="a circle that ends in a missing attribute",
    ),
    "app-import-error/app-config": Scenario(
        {
            **django(SETTINGS.replace("[]", "['shop.orders']")),
            "shop/orders/__init__.py": "",
            "shop/orders/apps.py": "from django.apps import AppConfig\n\n\nclass OrdersConfig(AppConfig):\n    name = 'orders'\n",
        },
        ("-w", "2", "app:application"),
        by="an AppConfig still has the name from before the app was moved",
    ),
    "env-config/flask-sqlalchemy": Scenario(
        app(
            "import os\n\nfrom flask_sqlalchemy import SQLAlchemy\n"
            + FLASK
            + "app.config['SQLALCHEMY_DATABASE_URI'] = os.environ.get('DATABASE_URL')\ndb = SQLAlchemy(app)\n"
        ),
        ("-w", "2", "app:app"),
        by="Flask-SQLAlchemy is given no URL",
    ),
    "env-config/django-module": Scenario(
        app(
            "from django.core.wsgi import get_wsgi_application\n\napplication = get_wsgi_application()\n",
        ),
        ("--preload", "app:application"),
        by="DJANGO_SETTINGS_MODULE is not set",
    ),
    "env-config/environ": Scenario(
        django("import environ\n\nenv = environ.Env()\n" + SETTINGS + "DATABASES = {'default': env.db()}\n"),
        ("app:application",),
        by="django-environ finds no DATABASE_URL",
    ),
    "env-config/fernet": Scenario(
        app(
            "import os\n\nfrom cryptography.fernet import Fernet\n\nvault = Fernet(os.environ['FIELD_ENCRYPTION_KEY'])\n"
            + HELLO
        ),
        ("-w", "2", "app:app"),
        environ={"FIELD_ENCRYPTION_KEY": "changeme"},
        by="a key in the environment is none",
    ),
    "backend-unavailable/rabbitmq": Scenario(
        app("import pika\n\nqueue = pika.BlockingConnection(pika.ConnectionParameters('127.0.0.1', 5672))\n" + HELLO),
        ("-w", "2", "app:app"),
        by="RabbitMQ refuses",
    ),
    "backend-unavailable/httpx": Scenario(
        app("import httpx\n\nKEYS = httpx.get('http://127.0.0.1:8200/v1/keys', timeout=2).json()\n" + HELLO),
        ("--preload", "app:app"),
        by="the key service refuses, httpx",
    ),
    "backend-unavailable/redis-dns": Scenario(
        app("import redis\n\nredis.Redis(host='cache.shop.internal.invalid').ping()\n" + HELLO),
        ("-w", "2", "app:app"),
        by="the name of Redis does not resolve",
    ),
    "app-startup-race/rename": Scenario(
        app(
            "import os\nimport time\n\ntime.sleep(2 - time.time() % 2)\nif not os.path.isdir('model'):\n"
            "    os.makedirs(f'part-{os.getpid()}')\n    open(f'part-{os.getpid()}/weights.bin', 'wb').write(b'x' * 1000)\n    time.sleep(0.5)\n"
            "    os.rename(f'part-{os.getpid()}', 'model')\n" + HELLO
        ),
        ("-w", "4", "app:app"),
        by="four workers unpack the same model and rename it into its place",
    ),
    "app-exception/argparse": Scenario(
        app(
            "import argparse\n\nparser = argparse.ArgumentParser()\nparser.add_argument('--model', required=True)\noptions = parser.parse_args()\n"
            + HELLO
        ),
        ("-w", "2", "app:app"),
        ("wait Booting worker", "sleep 2", "leave"),
        by="the module reads a command line that is gunicorn's",
    ),
    "app-exception/table-twice": Scenario(
        app(
            "from sqlalchemy import Column, Integer, MetaData, Table\n\nmetadata = MetaData()\n"
            "for name in ('orders', 'orders'):\n    Table(name, metadata, Column('id', Integer, primary_key=True))\n"
            + HELLO
        ),
        by="SQLAlchemy is told of the same table twice",
    ),
    "app-exception/registry": Scenario(
        django(
            before=LOADED.replace(
                "from django.core", "from django.apps import apps\n\napps.get_models()\nfrom django.core"
            )
        ),
        ("-w", "2", "app:application"),
        by="Django's models are asked for before it is set up",
    ),
    "boot-timeout/warm-up": Scenario(
        {
            **app(HELLO),
            "gunicorn.conf.py": "import time\n\ntimeout = 2\nworkers = 2\n\n\ndef post_fork(server, worker):\n    worker.notify()\n\n\n"
            "def post_worker_init(worker):\n    worker.log.info('warming the caches')\n    time.sleep(30)\n",
        },
        seconds=9,
        by="a start-up hook takes longer than the timeout",
    ),
    "boot-timeout/fetch": Scenario(
        app(
            "import socket\n\nimport requests\n\nlistener = socket.create_server(('127.0.0.1', 0))\n"
            "flags = requests.get(f'http://127.0.0.1:{listener.getsockname()[1]}/flags').json()\n" + HELLO
        ),
        ("--timeout", "2", "-w", "2", "app:app"),
        seconds=8,
        only=("20.1.0",),
        by="a call without a timeout at import",
    ),
    "request-timeout/regex": Scenario(
        app(
            "import re\n\n"
            + FLASK
            + "@app.get('/search')\ndef search():\n    return str(re.match(r'(a+)+$', 'a' * 60 + '!'))\n"
        ),
        ("--timeout", "2", *ACCESS, "app:app"),
        (*SERVE, "start /search", "wait TIMEOUT", "sleep 2.5", "get /", "signal TERM"),
        seconds=15,
        by="a regular expression that never ends",
    ),
    "request-timeout/blocked-loop": Scenario(
        app(
            "import time\n\nfrom fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get('/')\nasync def index():\n    return 'fine'\n\n\n"
            "@app.get('/report')\nasync def report():\n    time.sleep(30)\n"
        ),
        (*_UVICORN, "--timeout", "3", *ACCESS, "app:app"),
        (
            "wait startup complete",
            "sleep 1.5",
            "get /",
            "get /",
            "start /report",
            "wait TIMEOUT",
            "sleep 2.5",
            "get /",
            "signal TERM",
        ),
        seconds=20,
        only=_ASGI,
        by="a blocking call in an async view",
    ),
    "external-stop/haproxy-status": Scenario(
        {
            **django(
                SETTINGS
                + "ALLOWED_HOSTS = ['shop.example']\nMIDDLEWARE = ['django.middleware.common.CommonMiddleware']\n"
            ),
            "haproxy.cfg": "global\n  log stdout format raw local0\ndefaults\n  mode http\n  log global\n  timeout connect 1s\n"
            "  timeout client 2s\n  timeout server 2s\nfrontend in\n  bind unix@front.sock\n  default_backend app\nbackend app\n"
            "  option httpchk GET /health\n  server web-1 127.0.0.1:@PORT@ check inter 500ms fall 3 rise 2\n",
            "start.sh": "gunicorn --bind 127.0.0.1:$PORT -w 2 --access-logfile - app:application &\nserver=$!\nsleep 2\n"
            "haproxy -f haproxy.cfg -db &\nsleep 5\nkill -TERM $server\nwait $server\nkill %2 2>/dev/null\n",
        },
        command=("sh", "start.sh"),
        seconds=30,
        by="HAProxy's health check has a host name that Django does not allow: 400",
    ),
    "shutdown-timeout/thread": Scenario(
        app("import threading\nimport time\n\nthreading.Thread(target=time.sleep, args=(60,)).start()\n" + HELLO),
        ("-w", "2", "--graceful-timeout", "2", *ACCESS, "app:app"),
        (*SERVE, "signal TERM"),
        seconds=20,
        only=("27.0.1",),
        by="a thread of the app that is no daemon outlasts the grace period",
    ),
    "shutdown-timeout/asgi": Scenario(
        app(
            "import asyncio\n\nfrom fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get('/report')\nasync def report():\n    await asyncio.sleep(60)\n"
        ),
        (*_UVICORN, "-w", "2", "--graceful-timeout", "2", *ACCESS, "app:app"),
        ("wait startup complete", "sleep 1.5", "start /report", "sleep 0.5", "signal TERM"),
        seconds=20,
        only=_ASGI,
        by="a request of an ASGI app outlasts the grace period",
    ),
    "none/django": Scenario(
        django(
            SETTINGS + "ALLOWED_HOSTS = ['shop.example']\nMIDDLEWARE = ['django.middleware.common.CommonMiddleware']\n"
        ),
        ("-w", "2", *ACCESS, "app:application"),
        (*SERVE, "get /wp-login.php", "get /.env", "signal HUP", "sleep 2", "get /", "signal TERM"),
        by="Django that refuses hosts and paths of robots",
    ),
    "none/dev-reload": Scenario(
        app("import prices\n" + HELLO, prices="BASIC = 5\n"),
        command=(
            "sh",
            "-c",
            "(sleep 4; echo '# changed' >> prices.py) & exec gunicorn --reload --bind 127.0.0.1:$PORT --access-logfile - app:app",
        ),
        acts=(*SERVE, "sleep 5", "get /", "signal INT"),
        by="--reload restarts the worker after an edit",
    ),
    "none/aiohttp": Scenario(
        app(
            "from aiohttp import web\n\n\nasync def index(request):\n    return web.Response(text='fine')\n\n\n"
            "async def broken(request):\n    raise RuntimeError('card declined')\n\n\napp = web.Application()\napp.add_routes([web.get('/', index), web.get('/pay', broken)])\n"
        ),
        ("-k", "aiohttp.GunicornWebWorker", "-w", "2", *ACCESS, "app:app"),
        (*SERVE, "get /pay", "get /pay", "get /", "signal TERM"),
        by="aiohttp's worker, with requests that raise",
    ),
    "none/fallback": Scenario(
        app(
            "import logging\n\nimport redis\n\nlogging.basicConfig()\ntry:\n    cache = redis.Redis(port=1)\n    cache.ping()\nexcept redis.ConnectionError:\n"
            "    logging.exception('no Redis, the cache is in memory')\n    cache = {}\n" + HELLO
        ),
        ("-w", "2", *ACCESS, "app:app"),
        (*SERVE, "get /", "signal TERM"),
        by="an app that does without its cache and says so with a traceback",
    ),
    "none/hooks": Scenario(
        {
            **app(HELLO),
            "gunicorn.conf.py": "workers = 2\nmax_requests = 3\n\n\ndef worker_int(worker):\n    worker.log.info('worker received INT or QUIT signal')\n\n\n"
            "def worker_abort(worker):\n    worker.log.info('worker received SIGABRT signal')\n\n\n"
            "def child_exit(server, worker):\n    server.log.warning('worker %s has died', worker.pid)\n\n\n"
            "def on_exit(server):\n    server.log.error('server is shutting down, exit code 0')\n",
        },
        ("app:app", *ACCESS),
        (*SERVE, *["get /"] * 6, "sleep 2", "get /", "signal INT"),
        by="hooks that report every end of a worker, and workers that are recycled",
    ),
}
