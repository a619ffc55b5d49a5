"""The sixth set, applications: other libraries, other ways of starting and other moments than in the sets before."""

from __future__ import annotations

from scenarios_fourth import ASGI, LIFESPAN, PROJECT, UVICORN, scripted
from scenarios_launch import SUPERVISED, supervised
from scenarios_third_app import LOADED, SETTINGS, django
from scene import ACCESS, FLASK, HELLO, SERVE, Scenario, app

_HTTPS = (
    "from urllib3.util.ssl_ import create_urllib3_context\n\n\ndef app(environ, start_response):\n"
    "    create_urllib3_context()\n    start_response('200 OK', [])\n    return [b'fine']\n"
)
_NOTIFY = "timeout = 2\nworkers = 2\n\n\ndef post_fork(server, worker):\n    worker.notify()\n"
"""Since Gunicorn 22 a worker that has not yet given a sign of life is waited for without end."""
_REST = "'rest_framework'"
_URL = "f\"{}://shop:{}@127.0.0.1:{{os.environ['DB_PORT']}}/{}\""
_PSYCOPG = f"import os\n\nimport psycopg\n\nURL = {_URL.format('postgresql', 'hunter22secret', 'shop')}\n"
_SUDDEN = "time.sleep(3 - time.time() % 3)\n"

SCENARIOS: dict[str, Scenario] = {
    "monkey-patch-late/site": Scenario(
        app(
            "from urllib3.util.ssl_ import create_urllib3_context\n\ncontext = create_urllib3_context()\n" + HELLO,
            agent__sitecustomize="import urllib3.util.ssl_\n\nprint('agent: instrumentation is on', flush=True)\n",
        ),
        ("-k", "gevent", "-w", "2", "app:app"),
        environ={"PYTHONPATH": "agent"},
        by="an agent imports its HTTP client in sitecustomize, before the gevent worker patches ssl",
    ),
    "monkey-patch-late/elasticsearch": Scenario(
        app(
            f"from elasticsearch import Elasticsearch\n{FLASK}@app.get('/search')\ndef search():\n"
            "    return str(Elasticsearch('https://127.0.0.1:9', max_retries=0).info())\n"
        ),
        ("--preload", "-k", "gevent", "-w", "2", *ACCESS, "app:app"),
        ("wait Booting worker", "sleep 2.5", "get /", "get /search", "sleep 1", "signal TERM"),
        by="--preload imports Elasticsearch's client before the gevent worker patches ssl",
    ),
    "app-not-found/supervised": Scenario(
        {
            **supervised(
                "command=gunicorn -w 2 --bind 127.0.0.1:@PORT@ shopfront.wsgi\ndirectory=/var\nstartretries=1\n"
            ),
            **app("", shopfront__wsgi=HELLO.replace("app(", "application(")),
        },
        command=SUPERVISED,
        acts=("wait FATAL", "sleep 0.3", "signal TERM"),
        seconds=25,
        by="supervisord starts it in a folder that the project is not in",
    ),
    "app-not-found/chain": Scenario(
        app(FLASK),
        ("-k", "gthread", "app:app.wsgi_app"),
        by="an attribute of an attribute, which gunicorn does not take",
    ),
    "app-not-found/renamed": Scenario(
        scripted(
            "gunicorn -w 2 --bind 127.0.0.1:$PORT --access-logfile - wsgi:app &\nsleep 3\n"
            "echo 'deploy: release 42 is in place'\nmv wsgi.py asgi.py; rm -rf __pycache__\nkill -HUP $!\nwait $!\n",
            wsgi=HELLO,
        ),
        command=("sh", "start.sh"),
        acts=(*SERVE,),
        by="a deploy renames the module, and a reload still has its old name",
    ),
    "app-syntax-error/utf-16": Scenario(
        app("from prices import PRICES\n" + HELLO),
        ("-w", "2", "app:app"),
        prepare=("$PYTHON -c \"open('prices.py', 'wb').write('PRICES = {}\\n'.encode('utf-16-le'))\"",),
        only=ASGI,
        by="a module was written as UTF-16 by a shell of Windows",
    ),
    "app-syntax-error/development": Scenario(
        app(
            "from shop.views import index\n" + HELLO,
            shop__views="def index(request):\n    if request = None:\n        return\n",
        ),
        ("--reload", "--preload", "app:app"),
        by="an assignment in the place of a comparison, with --reload given",
    ),
    "app-syntax-error/lifespan": Scenario(
        app(
            LIFESPAN.format("", "import jobs\n    jobs.start()"),
            jobs="def start():\n    try:\n        print('starting jobs')\n\n\ndef stop():\n    pass\n",
        ),
        (*UVICORN, "-w", "2", "app:app"),
        only=ASGI,
        by="a try without its except, in a module that the lifespan of an ASGI app imports",
    ),
    "version-incompatible/marshmallow": Scenario(
        app(
            "from schemas import OrderSchema\n" + HELLO,
            schemas="from marshmallow import Schema, fields\n\n\nclass OrderSchema(Schema):\n"
            "    status = fields.Str(missing='new')\n    total = fields.Decimal(required=True)\n",
        ),
        ("-w", "2", "app:app"),
        only=ASGI,
        by="code for marshmallow 3 with 4",
    ),
    "version-incompatible/celery-task": Scenario(
        app(
            "from jobs.mail import send\n" + HELLO,
            jobs__mail="from celery.task import task\n\n\n@task\ndef send():\n    pass\n",
        ),
        ("--preload", "app:app"),
        by="code for Celery 4 with 5",
    ),
    "version-incompatible/django-url": Scenario(
        {
            **django(before=LOADED + "from django.urls import get_resolver\n\nget_resolver().url_patterns\n"),
            "shop/urls.py": "from django.conf.urls import include, url\n\nurlpatterns = [url(r'^$', include([]))]\n",
        },
        ("-k", "gthread", "-w", "2", "app:application"),
        by="addresses for Django 3 with a newer one",
    ),
    "version-incompatible/select-list": Scenario(
        app(
            "from sqlalchemy import Column, Integer, MetaData, Table, select\n\n"
            "id_ = Column('id', Integer, primary_key=True)\n"
            "orders = Table('orders', MetaData(), id_)\nLATEST = select([orders.c.id]).limit(10)\n" + HELLO
        ),
        ("-k", "gevent", "app:app"),
        by="a query for SQLAlchemy 1.4 with 2",
    ),
    "version-incompatible/typing-self": Scenario(
        app(
            "from core.models import Basket\n" + HELLO,
            core__models="from typing import Self\n\n\nclass Basket:\n    me: Self\n",
        ),
        ("-w", "2", "app:app"),
        only=("20.1.0",),
        by="code for Python 3.11 with 3.10",
    ),
    "dependency-missing/http2": Scenario(
        app(LIFESPAN.format("import httpx", "app.state.http = httpx.AsyncClient(http2=True)")),
        (*UVICORN, "-w", "2", "app:app"),
        only=ASGI,
        by="httpx wants another package for HTTP/2, in the lifespan of an ASGI app",
    ),
    "dependency-missing/cache-backend": Scenario(
        django(
            SETTINGS
            + "CACHES = {'default': {'BACKEND': 'django_redis.cache.RedisCache', 'LOCATION': 'redis://cache'}}\n",
            LOADED + "\nfrom django.core.cache import cache\n\ncache.get('banner')\n",
        ),
        ("-w", "2", "app:application"),
        by="the class of Django's cache is of a package that is not installed",
    ),
    "dependency-missing/recycled": Scenario(
        scripted(
            "gunicorn -w 2 --max-requests 3 --access-logfile - --bind 127.0.0.1:$PORT app:app &\nsleep 3\n"
            "echo 'pip: Successfully uninstalled shortid-1.0.1'\nrm -rf .venv/lib/site-packages/shortid*\nwait $!\n",
            "import shortid\n" + HELLO,
        ),
        command=("sh", "start.sh"),
        prepare=("mkdir -p .venv/lib/site-packages/shortid; touch .venv/lib/site-packages/shortid/__init__.py",),
        environ=PROJECT,
        acts=(*SERVE, "wait pip:", "sleep 0.5", *["get /"] * 8, "sleep 2", "leave"),
        seconds=20,
        by="a package is removed while the server runs, and a recycled worker wants it",
    ),
    "app-import-error/beyond": Scenario(
        {
            "api/__init__.py": "",
            "api/app.py": "from ..common.db import session\n" + HELLO,
            "common/__init__.py": "",
            "common/db.py": "session = None\n",
        },
        ("-w", "2", "api.app:app"),
        by="a relative import that leads above the folder it was started in",
    ),
    "app-import-error/celery-circle": Scenario(
        {
            "shop/__init__.py": "from .queue import queue\n",
            "shop/queue.py": "from celery import Celery\n\nfrom .wsgi import app\n\nqueue = Celery(app.name)\n",
            "shop/wsgi.py": "from flask import Flask\n\nfrom .tasks import send\n\napp = Flask('shop')\n",
            "shop/tasks.py": "from .queue import queue\n\n\n@queue.task\ndef send():\n    pass\n",
        },
        ("--preload", "shop.wsgi:app"),
        by="the queue, its tasks and the app import each other",
    ),
    "app-import-error/version-file": Scenario(
        {**app("import shop\n" + HELLO), "shop/__init__.py": "from shop._version import version as __version__\n"},
        ("-k", "gthread", "-w", "2", "app:app"),
        by="the file of the version that a build writes is not in the image",
    ),
    "env-config/starlette": Scenario(
        app(
            LIFESPAN.format(
                "from starlette.config import Config\nfrom starlette.datastructures import Secret\n\n"
                "config = Config()\n"
                "SIGNING_KEY = config('SIGNING_KEY', cast=Secret)",
                "pass",
            )
        ),
        (*UVICORN, "-w", "2", "app:app"),
        only=ASGI,
        by="Starlette's configuration has no value",
    ),
    "env-config/environs": Scenario(
        app("from environs import Env\n\nenv = Env()\nPOOL_SIZE = env.int('DB_POOL_SIZE')\n" + HELLO),
        ("-w", "2", "app:app"),
        environ={"DB_POOL_SIZE": "ten"},
        by="a word in the environment where environs wants a number",
    ),
    "env-config/dynaconf": Scenario(
        app(
            "from dynaconf import Dynaconf, Validator\n\nsettings = Dynaconf(envvar_prefix='SHOP', validators=[\n"
            "    Validator('PAYMENT_KEY', must_exist=True), Validator('CURRENCY', is_in=['EUR', 'USD'])])\n"
            "settings.validators.validate()\n" + HELLO
        ),
        ("--preload", "app:app"),
        environ={"SHOP_CURRENCY": "EUR"},
        by="Dynaconf's check of a setting that must be there",
    ),
    "env-config/django-engine": Scenario(
        django(
            "import dj_database_url\n\n" + SETTINGS + "DATABASES = {'default': dj_database_url.config()}\n",
            LOADED + "\nfrom django.db import connection\n\nconnection.ensure_connection()\n",
        ),
        ("-w", "2", "app:application"),
        by="the variable with Django's database is not set, which Django says only when it is used",
    ),
    "app-startup-race/lock-file": Scenario(
        app(
            "import os\nimport time\n\ntime.sleep(2 - time.time() % 2)\n"
            "lock = os.open('run/scheduler.lock', os.O_CREAT | os.O_EXCL)\n" + HELLO
        ),
        ("-w", "4", "app:app"),
        prepare=("mkdir run",),
        by="each of four workers wants to be the one that runs the jobs, by a file that must be new",
    ),
    "app-exception/nested-loop": Scenario(
        app(LIFESPAN.format("import asyncio\n\n\nasync def warm():\n    pass", "asyncio.run(warm())")),
        (*UVICORN, "-w", "2", "app:app"),
        only=ASGI,
        by="the lifespan of an ASGI app starts a second loop in the running one",
    ),
    "app-exception/pattern": Scenario(
        {
            **scripted(
                "gunicorn -w 2 --bind 127.0.0.1:$PORT --access-logfile - app:app &\nsleep 3\n"
                "echo 'deploy: new rules'\necho '(bot|crawler' >> rules.txt\nkill -HUP $!\nwait $!\n",
                "import re\n\nRULES = [re.compile(line.strip()) for line in open('rules.txt')]\n" + HELLO,
            ),
            "rules.txt": "spider\n",
        },
        command=("sh", "start.sh"),
        acts=(*SERVE,),
        by="a rule is no regular expression, and a reload compiles it",
    ),
    "app-exception/cron": Scenario(
        app(
            "from apscheduler.schedulers.background import BackgroundScheduler\n\njobs = BackgroundScheduler()\n"
            "jobs.start()\n"
            "jobs.add_job(print, 'cron', hour=25, id='nightly')\n" + HELLO
        ),
        ("-w", "2", "app:app"),
        by="a job is planned for an hour that no day has",
    ),
    "boot-timeout/build": Scenario(
        {
            **app("import subprocess\n\nsubprocess.run(['sh', 'build.sh'], check=True)\n" + HELLO),
            "build.sh": "echo 'building the frontend'\nsleep 40\n",
            "gunicorn.conf.py": _NOTIFY,
        },
        seconds=8,
        by="the app builds its frontend at import, which takes longer than the timeout",
    ),
    "boot-timeout/recycled": Scenario(
        {
            **app(
                "import os\nimport time\n\nif os.path.exists('index.bin'):\n"
                "    print('reading the index', flush=True)\n    time.sleep(40)\n"
                "open('index.bin', 'w').close()\n" + HELLO
            ),
            "gunicorn.conf.py": "timeout = 2\nmax_requests = 4\n\n\ndef post_fork(server, worker):\n"
            "    worker.notify()\n",
        },
        ("app:app", *ACCESS),
        (*SERVE, *["get /"] * 2, "sleep 7", "leave"),
        seconds=16,
        by="the index has grown while the first worker served, and the recycled one reads it for too long",
    ),
    "boot-timeout/numbers": Scenario(
        {
            **app("import numpy as np\n\nwhile True:\n    np.linalg.svd(np.random.rand(300, 300))\n" + HELLO),
            "gunicorn.conf.py": _NOTIFY.replace("workers = 2", "workers = 1\nworker_class = 'gthread'"),
        },
        seconds=7,
        by="the app factors matrices at import for longer than the timeout",
    ),
    "request-timeout/lazy-model": Scenario(
        app(
            f"import functools\nimport time\n{FLASK}@functools.cache\ndef model():\n"
            f"    print('loading the model', flush=True)\n"
            "    time.sleep(40)\n\n\n@app.get('/predict')\ndef predict():\n    return str(model())\n"
        ),
        ("--timeout", "2", *ACCESS, "app:app"),
        (*SERVE, "start /predict", "wait TIMEOUT", "sleep 2", "get /", "signal TERM"),
        seconds=15,
        by="the first request loads the model, which takes longer than the timeout",
    ),
    "request-timeout/half-header": Scenario(
        scripted(
            "gunicorn --timeout 2 --bind 127.0.0.1:$PORT --access-logfile - app:app &\nsleep 4\n"
            "(exec 3<>/dev/tcp/127.0.0.1/$PORT; printf 'POST /orders HTTP/1.1\\r\\nHost: shop\\r\\nContent-Length: "
            "900\\r\\n\\r\\nitem=' >&3; "
            "sleep 9) &\n"
            "wait %1\n",
            "def app(environ, start_response):\n    environ['wsgi.input'].read()\n    start_response('200 OK', [])\n"
            "    return [b'']\n",
        ),
        command=("bash", "start.sh"),
        acts=(*SERVE, "wait TIMEOUT", "sleep 2", "leave"),
        seconds=15,
        by="a client sends half of what it has announced, and nothing more",
    ),
    "app-startup-race/schema": Scenario(
        app(
            _PSYCOPG
            + "import time\n\nwith psycopg.connect(URL) as connection:\n    "
            + _SUDDEN
            + "    connection.execute(f'create schema if not exists tenant_{os.getppid()}')\n    time.sleep(0.4)\n"
            + HELLO
        ),
        ("-w", "4", "app:app"),
        needs="postgres",
        by="four workers create the same schema of a PostgreSQL, `if not exists`",
    ),
    "app-startup-race/function": Scenario(
        app(
            _PSYCOPG
            + "import time\n\nwith psycopg.connect(URL) as connection:\n    "
            + _SUDDEN
            + "    connection.execute(\"create or replace function vat() returns int as 'select 19' language sql\")\n"
            "    time.sleep(0.4)\n" + HELLO
        ),
        ("-w", "4", "app:app"),
        prepare=(
            "$PYTHON -c \"import os, psycopg; psycopg.connect('postgresql://shop:hunter22secret@127.0.0.1:' + "
            "os.environ['DB_PORT'] + "
            "'/shop', autocommit=True).execute('create or replace function vat() returns int as \\$\\$ select 16 "
            "\\$\\$ language sql')\"",
        ),
        needs="postgres",
        by="four workers replace the same function of a PostgreSQL",
    ),
    "external-stop/autoheal": Scenario(
        scripted(
            "gunicorn -w 2 --bind 127.0.0.1:$PORT --access-logfile - app:app &\nserver=$!\nsleep 3\n"
            "for try in 1 2 3; do\n"
            '  curl -fsS -m 1 http://127.0.0.1:$PORT/ || echo "healthcheck: attempt $try of 3 failed"\n  sleep 1\n'
            "done\n"
            "echo 'autoheal: Container /shop-web-1 found to be unhealthy - Restarting container now with 10s timeout'\n"
            "kill -TERM $server\nwait $server\n",
            "import bottle\n\napp = bottle.default_app()\n\n\n@bottle.route('/')\ndef index():\n"
            "    bottle.abort(401, 'log in first')\n",
        ),
        command=("sh", "start.sh"),
        by="a health check has no password for the page that it asks, and the container is restarted",
    ),
    "none/helper-crash": Scenario(
        app(
            "import logging\nimport subprocess\n\nlogging.basicConfig()\n\n\ndef app(environ, start_response):\n"
            "    done = subprocess.run(['sh', '-c', 'kill -SEGV $$'])\n    if done.returncode < 0:\n"
            "        logging.warning('converter died of SIGSEGV (exit status %d), original image is sent', "
            "done.returncode)\n"
            "    start_response('200 OK', [])\n    return [b'fine']\n"
        ),
        ("-w", "2", *ACCESS, "app:app"),
        (*SERVE, "get /thumb", "signal TERM"),
        by="a program that requests start crashes, and the app does without it",
    ),
}
