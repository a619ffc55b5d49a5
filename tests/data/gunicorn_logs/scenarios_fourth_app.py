"""The fourth set, applications: other frameworks, launch ways and moments than before."""

from __future__ import annotations

from scenarios_fourth import ASGI, CERTIFICATE, LIFESPAN, PROJECT, UVICORN, installed, scripted
from scenarios_launch import SUPERVISED, supervised
from scenarios_third_app import LOADED, SETTINGS, django
from scene import ACCESS, HELLO, SERVE, STOP, Scenario, app

_PASTE = "[app:main]\nuse = call:shop:main\n"
_PYRAMID = (
    "from pyramid.config import Configurator\nfrom pyramid.response import Response\n\n\ndef index(request):\n    return Response('fine')\n\n\n"
    "def main(settings, **local):\n    config = Configurator(settings=local)\n    config.add_route('home', '/')\n"
    "    config.add_view(index, route_name='home')\n{}    return config.make_wsgi_app()\n"
)
FALCON = "import falcon\n\n\nclass Orders:\n    def on_get(self, request, response):\n{}\n\napp = falcon.App()\napp.add_route('/orders', Orders())\n"

SCENARIOS: dict[str, Scenario] = {
    "app-syntax-error/reload": Scenario(
        scripted(
            'gunicorn -w 2 --bind 127.0.0.1:$PORT app:app &\nsleep 3\nprintf \'PRICES = {\\n    "basic": 5\\n    "premium": 9\\n}\\n\' > prices.py\n'
            "echo 'deployed release 42, reloading'\nkill -HUP $!\nwait $!\n",
            "from prices import PRICES\n" + HELLO,
            prices="PRICES = {'basic': 5}\n",
        ),
        command=("sh", "start.sh"),
        acts=SERVE,
        by="a deploy brings a module without its comma, and a reload reads it",
    ),
    "app-syntax-error/quotes": Scenario(
        app(FALCON.format('        response.text = f"order {request.params["id"]}"\n')),
        ("-k", "gthread", "--threads", "4", "app:app"),
        only=("20.1.0",),
        by="the same quotation marks inside of an f-string and around it",
    ),
    "version-incompatible/url-quote": Scenario(
        app("from flask import Flask\n\napp = Flask(__name__)\n"),
        ("-w", "2", "app:app"),
        prepare=installed("--no-deps flask==2.2.2"),
        environ=PROJECT,
        by="Flask 2.2 with today's Werkzeug",
    ),
    "version-incompatible/numpy": Scenario(
        app("import pandas as pd\n\nprices = pd.DataFrame({'basic': [5]})\n" + HELLO),
        ("--preload", "app:app"),
        prepare=installed("--no-deps pandas==2.1.1 numpy==2.2.6 python-dateutil pytz six tzdata"),
        environ=PROJECT,
        only=("20.1.0", "23.0.0"),
        by="a pandas that was compiled for NumPy 1",
    ),
    "version-incompatible/motor": Scenario(
        app(LIFESPAN.format("from motor.motor_asyncio import AsyncIOMotorClient", "pass")),
        (*UVICORN, "app:app"),
        prepare=installed("--no-deps motor==2.5.1 'pymongo<4'"),
        environ=PROJECT,
        only=ASGI,
        by="a driver from before Python 3.11",
    ),
    "version-incompatible/loop-factory": Scenario(
        app(LIFESPAN.format("", "pass")),
        (*UVICORN, "-w", "2", "app:app"),
        only=("20.1.0",),
        by="uvicorn's worker is older than the uvicorn that it runs",
    ),
    "version-incompatible/openai": Scenario(
        app("import openai\n\nRETRIED = (openai.error.RateLimitError, openai.error.Timeout)\n" + HELLO),
        command=("{python}", "-m", "gunicorn", "-w", "2", "--bind", "127.0.0.1:{port}", "app:app"),
        by="code for the first openai client with a newer one",
    ),
    "version-incompatible/openssl": Scenario(
        app("from OpenSSL import crypto\n\nload = crypto.load_certificate\n" + HELLO),
        ("-k", "gthread", "app:app"),
        prepare=installed("--no-deps pyopenssl==20.0.1 six"),
        environ=PROJECT,
        by="a pyOpenSSL from long before its cryptography",
    ),
    "version-incompatible/protobuf": Scenario(
        app(
            "import orders_pb2\n\nOrder = orders_pb2.STATE\n" + HELLO,
            orders_pb2="from google.protobuf import descriptor\n\nSTATE = descriptor.EnumDescriptor(\n    name='State', full_name='shop.State', filename=None, file=None,\n"
            "    values=[descriptor.EnumValueDescriptor(name='NEW', index=0, number=0)],\n)\n",
        ),
        ("--preload", "app:app"),
        prepare=installed("protobuf==4.25.3"),
        environ=PROJECT,
        by="code that an old protoc generated",
    ),
    "dependency-missing/rest-setting": Scenario(
        django(
            SETTINGS.replace("[]", "['django.contrib.contenttypes', 'django.contrib.auth', 'rest_framework']")
            + "REST_FRAMEWORK = {'DEFAULT_AUTHENTICATION_CLASSES': ['rest_framework_simplejwt.authentication.JWTAuthentication']}\n",
            LOADED + "\nfrom shop import api\n",
            shop__api="from rest_framework.views import APIView\n\n\nclass Orders(APIView):\n    pass\n",
        ),
        ("-w", "2", "app:application"),
        by="a setting of Django REST framework names a class of a package that is not installed",
    ),
    "dependency-missing/oracle": Scenario(
        django(
            SETTINGS.replace("[]", "['django.contrib.contenttypes', 'django.contrib.auth']")
            + "DATABASES = {'default': {'ENGINE': 'django.db.backends.oracle', 'NAME': 'shop'}}\n"
        ),
        ("-k", "gevent", "app:application"),
        by="the driver of Django's database is not installed",
    ),
    "dependency-missing/include": Scenario(
        {**app("", shop=_PYRAMID.format("    config.include('pyramid_jinja2')\n")), "production.ini": _PASTE},
        ("--paste", "production.ini", "-w", "2"),
        by="Pyramid includes a package that is not installed",
    ),
    "dependency-missing/litestar-extra": Scenario(
        app(
            "from litestar import Litestar\nfrom litestar.contrib.jinja import JinjaTemplateEngine\nfrom litestar.plugins.sqlalchemy import SQLAlchemyPlugin\n\n"
            "app = Litestar(plugins=[SQLAlchemyPlugin()])\n"
        ),
        (*UVICORN, "app:app"),
        prepare=installed("litestar"),
        environ=PROJECT,
        only=ASGI,
        by="Litestar's database plug-in wants another package",
    ),
    "app-import-error/shadow": Scenario(
        app("from redis import Redis\n\ncache = Redis\n" + HELLO, redis="HOST = 'cache'\n"),
        ("-k", "gthread", "-w", "2", "app:app"),
        by="a module of the app has the name of the library that the app wants",
    ),
    "app-import-error/split-settings": Scenario(
        {
            **django(before=LOADED.replace("shop.settings", "shop.settings.production")),
            "shop/settings/base.py": SETTINGS,
            "shop/settings/production.py": "from .base import *\nfrom .secrets import *\n\nDEBUG = False\n",
        },
        ("-w", "3", "app:application"),
        prepare=("rm shop/settings.py",),
        by="the production settings import a module that only the developer has",
    ),
    "env-config/sentry": Scenario(
        app("import os\n\nimport sentry_sdk\n\nsentry_sdk.init(dsn=os.environ.get('SENTRY_DSN'))\n" + HELLO),
        ("-w", "2", "app:app"),
        environ={"SENTRY_DSN": "changeme"},
        by="the address of the error tracker is a placeholder",
    ),
    "env-config/region": Scenario(
        app("import boto3\n\nqueue = boto3.client('sqs')\n" + HELLO),
        command=("{python}", "-m", "gunicorn", "--preload", "--bind", "127.0.0.1:{port}", "app:app"),
        by="boto3 is told no region",
    ),
    "env-config/openai": Scenario(
        app(LIFESPAN.format("from openai import AsyncOpenAI\n\nclient = AsyncOpenAI()", "pass")),
        (*UVICORN, "-w", "2", "app:app"),
        only=ASGI,
        by="a client finds no key in the environment",
    ),
    "env-config/database-url": Scenario(
        django(
            "import os\n\nimport dj_database_url\n\n" + SETTINGS + "DATABASES = {'default': dj_database_url.config()}\n"
        ),
        ("-w", "2", "app:application"),
        environ={"DATABASE_URL": "postgress://shop@db/shop"},
        by="the URL of Django's database has a misspelt scheme",
    ),
    "env-config/tornado": Scenario(
        app(
            "import os\n\nfrom tornado.web import Application, RequestHandler\n\n\nclass Index(RequestHandler):\n    def get(self):\n        self.write('fine')\n\n\n"
            "app = Application([('/', Index)], cookie_secret=os.environ['COOKIE_SECRET'])\n"
        ),
        ("-k", "tornado", "app:app"),
        prepare=installed("tornado"),
        environ=PROJECT,
        by="a Tornado app without its secret, in Tornado's worker",
    ),
    "env-config/asgi": Scenario(
        app(LIFESPAN.format("import os", "app.state.bucket = os.environ['UPLOAD_BUCKET']")),
        ("-k", "asgi", "-w", "2", "app:app"),
        only=("27.0.1",),
        by="a variable is missing in the lifespan of an app in gunicorn's own worker for ASGI",
    ),
    "app-startup-race/cleanup": Scenario(
        app(
            "import os\nimport shutil\nimport time\n\ntime.sleep(2 - time.time() % 2)\nprint(f'worker {os.getpid()}: removing the metrics of the last run', flush=True)\nfor name in os.listdir('metrics'):\n    time.sleep(0.02)\n    os.remove(f'metrics/{name}')\n"
            "print(f'worker {os.getpid()}: the metrics of the last run are removed', flush=True)\n" + HELLO
        ),
        ("-w", "4", "app:app"),
        prepare=("mkdir metrics; for n in 1 2 3 4 5 6 7 8; do touch metrics/counter_$n.db; done",),
        by="four workers remove the files that the last server left",
    ),
    "app-exception/pyramid": Scenario(
        {
            **app("", shop=_PYRAMID.format("    config.add_view(lambda request: None, route_name='home')\n")),
            "shop.ini": _PASTE,
        },
        ("--paste", "shop.ini"),
        by="Pyramid has two views for one route",
    ),
    "app-exception/response-field": Scenario(
        app(
            "from fastapi import FastAPI\n\napp = FastAPI()\n\n\nclass Order:\n    pass\n\n\n@app.get('/orders')\ndef orders() -> list[Order]:\n    return []\n"
        ),
        command=("{python}", "-m", "gunicorn", "-w", "2", "--bind", "127.0.0.1:{port}", *UVICORN, "app:app"),
        only=ASGI,
        by="FastAPI cannot make a field of what a view returns",
    ),
    "app-exception/pointer": Scenario(
        {
            **app("import pickle\n\nwith open('model.pkl', 'rb') as file:\n    model = pickle.load(file)\n" + HELLO),
            "model.pkl": "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n",
        },
        ("-w", "2", "app:app"),
        by="a model that is only the pointer of Git LFS to one",
    ),
    "boot-timeout/startup": Scenario(
        app(
            "import hashlib\n\nfrom aiohttp import web\n\n\nasync def warm(app):\n    app['table'] = hashlib.pbkdf2_hmac('sha512', b'a' * 64, b'b', 60_000_000)\n\n\n"
            "app = web.Application()\napp.on_startup.append(warm)\n"
        ),
        ("-k", "aiohttp.GunicornWebWorker", "--timeout", "2", "-w", "2", "app:app"),
        seconds=9,
        only=("20.1.0",),
        by="a start-up handler of aiohttp computes for longer than the timeout",
    ),
    "request-timeout/self": Scenario(
        app(
            "from urllib.request import urlopen\n\nfrom bottle import default_app, route\n\n\n@route('/')\ndef index():\n    return 'fine'\n\n\n"
            "@route('/report')\ndef report():\n    return urlopen('http://127.0.0.1:@PORT@/').read()\n\n\napp = default_app()\n"
        ),
        ("--timeout", "2", *ACCESS, "app:app"),
        (*SERVE, "start /report", "wait TIMEOUT", "sleep 2", "get /", "signal TERM"),
        seconds=15,
        by="a request asks the only worker that there is: itself",
    ),
    "request-timeout/stream": Scenario(
        app(
            "import time\n\n\ndef events():\n    while True:\n        time.sleep(0.5)\n        yield b'data: tick'\n\n\n"
            + FALCON.format("        response.stream = events()\n")
        ),
        ("--timeout", "2", "-w", "2", *ACCESS, "app:app"),
        ("wait Booting worker", "sleep 1.5", "start /orders", "wait TIMEOUT", "sleep 2", "signal TERM"),
        seconds=15,
        only=ASGI,
        by="a stream of events from a sync worker",
    ),
    "request-timeout/aiohttp": Scenario(
        app(
            "import subprocess\n\nfrom aiohttp import web\n\n\nasync def invoice(request):\n    subprocess.run(['sleep', '30'])\n    return web.Response()\n\n\n"
            "app = web.Application()\napp.add_routes([web.get('/invoice', invoice)])\n"
        ),
        ("-k", "aiohttp.GunicornWebWorker", "--timeout", "2", *ACCESS, "app:app"),
        ("wait Booting worker", "sleep 2", "get /", "start /invoice", "wait TIMEOUT", "sleep 2", "signal TERM"),
        seconds=15,
        by="a view of aiohttp waits for another program, and blocks its loop",
    ),
    "request-timeout/asgi": Scenario(
        app(
            LIFESPAN.format("import time", "pass").replace(
                "    return Plain", "    time.sleep(30 if request.url.query else 0)\n    return Plain"
            )
        ),
        ("-k", "asgi", "--timeout", "3", *ACCESS, "app:app"),
        (*SERVE, "start /?all=1", "wait TIMEOUT", "sleep 2.5", "get /", "signal TERM"),
        seconds=18,
        only=("27.0.1",),
        by="a blocking call in gunicorn's own worker for ASGI",
    ),
    "shutdown-timeout/kill-after": Scenario(
        scripted(
            'timeout -k 3 6 gunicorn -w 2 --graceful-timeout 30 --bind 127.0.0.1:$PORT app:app\necho "gunicorn ended with status $?"\n',
            FALCON.replace("import falcon", "import time\n\nimport falcon").format("        time.sleep(40)\n"),
        ),
        command=("sh", "start.sh"),
        acts=("wait Booting worker", "sleep 2", "start /orders"),
        seconds=20,
        by="what stops the server waits for less time than its requests take, and kills",
    ),
    "shutdown-timeout/honcho": Scenario(
        {
            **app(FALCON.replace("import falcon", "import time\n\nimport falcon").format("        time.sleep(40)\n")),
            "Procfile": "web: exec gunicorn -k gthread --threads 4 --graceful-timeout 30 --bind 127.0.0.1:@PORT@ app:app\nmail: sleep 600\n",
        },
        command=("{bin}/honcho", "start"),
        acts=("wait Booting worker", "sleep 2", "start /orders", "start /orders", "sleep 0.5", "signal TERM"),
        seconds=25,
        by="honcho waits for less time than the requests take, and kills",
    ),
    "none/falcon": Scenario(
        app(FALCON.format("        raise LookupError('no such order: 17')\n")),
        ("-k", "gthread", "--threads", "2", *ACCESS, "app:app"),
        (
            *SERVE,
            "get /orders",
            "signal TTIN",
            "sleep 1.5",
            "get /orders",
            "signal HUP",
            "sleep 2",
            "get /orders",
            "signal TERM",
        ),
        by="Falcon with requests that raise, one more worker, and a reload",
    ),
    "none/plain-clients": Scenario(
        app(HELLO),
        ("-w", "2", "--certfile", "shop.crt", "--keyfile", "shop.key", *ACCESS, "app:app"),
        ("wait Booting worker", "sleep 1.5", "get /", "tls", "get /", "tls", "sleep 0.5", *STOP[1:]),
        prepare=(CERTIFICATE.format("shop.key", "shop.crt", "-nodes"),),
        only=ASGI,
        by="clients that speak no TLS to a server that does",
    ),
    "none/pyramid": Scenario(
        {**app("", shop=_PYRAMID.format("")), "shop.ini": _PASTE},
        ("--paste", "shop.ini", "--max-requests", "3", *ACCESS),
        (*SERVE, *["get /"] * 4, "sleep 1.5", "get /", "signal INT"),
        by="Pyramid by its configuration file, with a worker that is recycled",
    ),
    "none/telemetry": Scenario(
        app(
            LIFESPAN.format(
                "import logging\nimport threading\n\nimport requests\n\nlogging.basicConfig()\n\n\ndef export():\n    try:\n        requests.post('http://127.0.0.1:4318/v1/traces', timeout=2)\n"
                "    except requests.ConnectionError:\n        logging.exception('cannot export spans, dropped 3')\n",
                "threading.Thread(target=export, daemon=True).start()",
            )
        ),
        (*UVICORN, "-w", "2", *ACCESS, "app:app"),
        (*SERVE, "get /.git/config", *STOP[1:]),
        only=ASGI,
        by="a collector of traces is away, and the app serves without it",
    ),
    "none/django-rest": Scenario(
        {
            **django(
                SETTINGS.replace("[]", "['django.contrib.contenttypes', 'django.contrib.auth', 'rest_framework']")
                + "ALLOWED_HOSTS = ['*']\nREST_FRAMEWORK = {'UNAUTHENTICATED_USER': None}\n"
            ),
            "shop/urls.py": "from django.urls import path\nfrom rest_framework.permissions import IsAuthenticated\nfrom rest_framework.response import Response\nfrom rest_framework.views import APIView\n\n\n"
            "class Index(APIView):\n    def get(self, request):\n        return Response('fine')\n\n\nclass Orders(Index):\n    permission_classes = [IsAuthenticated]\n\n\n"
            "class Broken(Index):\n    def get(self, request):\n        open('exports/orders.csv')\n\n\nurlpatterns = [path('', Index.as_view()), path('orders', Orders.as_view()), path('broken', Broken.as_view())]\n",
        },
        ("app:application",),
        environ={"GUNICORN_CMD_ARGS": "--workers=2 --access-logfile=- --capture-output"},
        acts=(*SERVE, "get /orders", "get /broken", "get /missing", "signal TERM"),
        by="Django REST framework refuses and fails single requests",
    ),
    "external-stop/memmon": Scenario(
        supervised(
            "command=python -m gunicorn --bind 127.0.0.1:@PORT@ app:app\n[unix_http_server]\nfile=%(here)s/s.sock\n"
            "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            "[supervisorctl]\nserverurl=unix://%(here)s/s.sock\n[eventlistener:memory]\ncommand=memmon -p web=12MB\nevents=TICK_5\n"
            "stderr_logfile=/dev/fd/1\nstderr_logfile_maxbytes=0\n"
        ),
        command=SUPERVISED,
        acts=("wait waiting for web", "sleep 2.5", "signal TERM"),
        seconds=25,
        by="superlance's memmon finds the server too large, and has supervisord restart it",
    ),
    "external-stop/watchdog": Scenario(
        scripted(
            "gunicorn -w 2 --bind 127.0.0.1:$PORT --access-logfile - app:app &\nserver=$!\nsleep 3\nfor try in 1 2 3; do\n"
            '  curl -fsS http://127.0.0.1:$PORT/healthz || echo "watchdog: health check $try of 3 failed"\n  sleep 1\ndone\n'
            "echo 'watchdog: web is unhealthy, stopping it'\nkill -TERM $server\nwait $server\n",
            "import falcon\n\n\nclass Health:\n    def on_get(self, request, response):\n        response.media = {'ok': True}\n\n\n"
            "app = falcon.App()\napp.add_route('/health', Health())\n",
        ),
        command=("sh", "start.sh"),
        by="a watchdog asks a health page of another name, and stops the server",
    ),
    "none/tini": Scenario(
        app(
            "from bottle import default_app, route\n\n\n@route('/')\ndef index():\n    return 'fine'\n\n\napp = default_app()\n"
        ),
        command=(
            "tini",
            "-v",
            "--",
            "gosu",
            "root",
            "{python}",
            "-m",
            "gunicorn",
            "-w",
            "2",
            "--bind",
            "127.0.0.1:{port}",
            "app:app",
        ),
        acts=(*SERVE, "get /robots.txt", "signal TERM"),
        by="Bottle behind tini and gosu, ended by a container's stop",
    ),
    "none/asgi": Scenario(
        app(LIFESPAN.format("", "print('ready', flush=True)")),
        ("-k", "asgi", "-w", "2", *ACCESS, "app:app"),
        (*SERVE, "get /missing", *STOP[1:]),
        only=("27.0.1",),
        by="gunicorn's own worker for ASGI",
    ),
}
