"""The application's own code, its packages and its settings."""

from __future__ import annotations

from scene import ACCESS, FLASK, HELLO, SERVE, Scenario, app

_DJANGO = """\
import os

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application

{before}settings.configure({settings})
app = get_wsgi_application()
"""
_ASGI = (
    "from contextlib import asynccontextmanager\n\nfrom fastapi import FastAPI\n\n\n@asynccontextmanager\n"
    "async def lifespan(app):\n    {}\n    yield\n\n\napp = FastAPI(lifespan=lifespan)\n"
)
_OLD = "$BIN/pip -q install --no-deps --no-compile --disable-pip-version-check --target vendor {} 2>/dev/null"

SCENARIOS: dict[str, Scenario] = {
    "monkey-patch-late/preload-https": Scenario(
        app(
            "from urllib3.util.ssl_ import create_urllib3_context\n\n\ndef app(environ, start_response):\n"
            "    create_urllib3_context()\n    start_response('200 OK', [])\n    return [b'fine']\n"
        ),
        ("--preload", "-k", "gevent", "-w", "2", "app:app"),
        ("wait Booting worker", "sleep 2", "get /rates", "sleep 1", "signal TERM"),
        by="--preload imports urllib3 before the gevent worker patches ssl: HTTPS fails in requests",
    ),
    "monkey-patch-late/conf-import": Scenario(
        {
            **app(
                "from urllib3.util.ssl_ import create_urllib3_context\n\ncontext = create_urllib3_context()\n" + HELLO
            ),
            "gunicorn.conf.py": "import requests\n\nworker_class = 'gevent'\n",
        },
        by="gunicorn.conf.py imports requests before the gevent worker patches ssl",
    ),
    "monkey-patch-late/own-patch": Scenario(
        app(
            "import ssl\nimport threading\n\nimport urllib3.util.ssl_\nfrom gevent import monkey\n\nmonkey.patch_all()\n\n"
            "context = urllib3.util.ssl_.create_urllib3_context()\n" + HELLO
        ),
        ("-w", "2", "app:app"),
        by="the app itself patches after urllib3 was imported",
    ),
    "app-not-found/project": Scenario(
        app(HELLO, shop__wsgi="app = None\n"), ("store.wsgi:app",), by="the project's folder has another name"
    ),
    "app-not-found/factory": Scenario(
        app("def make_app():\n    return None\n"), ("app:create_app()", "--preload"), by="a factory of another name"
    ),
    "app-not-found/directory": Scenario(
        {"README": "", "backend/main.py": HELLO}, ("-w", "2", "main:app"), by="started one folder above the app"
    ),
    "app-syntax-error/conflict": Scenario(
        app(
            "from views import index\n" + HELLO,
            views="<<<<<<< HEAD\ndef index():\n    return 'a'\n=======\ndef index():\n    return 'b'\n>>>>>>> feature/new-index\n",
        ),
        ("-w", "2", "app:app"),
        by="a merge left its markers in a module",
    ),
    "app-syntax-error/brackets": Scenario(
        app(
            "from core.urls import ROUTES\n" + HELLO,
            core__urls="ROUTES = {\n    '/': 'index',\n    '/about': ('about',\n}\n",
        ),
        ("--preload", "app:app"),
        by="a bracket that is closed by another one",
    ),
    "app-syntax-error/tabs": Scenario(
        app("def load():\n        a = 1\n\tb = 2\n\treturn a\n" + HELLO), by="tabs and spaces mixed"
    ),
    "version-incompatible/jinja": Scenario(
        app("import sys\n\nsys.path.insert(0, 'vendor')\nfrom flask import Flask\n\napp = Flask(__name__)\n"),
        prepare=(_OLD.format("flask==1.1.4"),),
        by="Flask 1.1 with today's Jinja",
    ),
    "version-incompatible/engine-execute": Scenario(
        app(
            "from sqlalchemy import create_engine\n\nengine = create_engine('sqlite://')\nengine.execute('select 1')\n"
            + HELLO
        ),
        ("-w", "2", "app:app"),
        by="code for SQLAlchemy 1.4 with 2.0",
    ),
    "version-incompatible/ugettext": Scenario(
        app("from django.utils.translation import ugettext_lazy as _\n" + HELLO),
        by="code for Django 3 with a newer one",
    ),
    "version-incompatible/pydantic": Scenario(
        app(
            "from pydantic import BaseSettings\n\n\nclass Settings(BaseSettings):\n    debug: bool = False\n\n\n"
            + HELLO
        ),
        ("--preload", "app:app"),
        by="code for pydantic 1 with 2",
    ),
    "dependency-missing/django-app": Scenario(
        app(_DJANGO.format(before="", settings="SECRET_KEY='x' * 50, INSTALLED_APPS=['corsheaders']")),
        ("-w", "2", "app:app"),
        by="an entry of INSTALLED_APPS is not installed",
    ),
    "dependency-missing/driver": Scenario(
        app(
            "from sqlalchemy import create_engine\n\nengine = create_engine('mysql+mysqlconnector://shop@db/shop')\n"
            + HELLO
        ),
        by="the driver of the database's URL is not installed",
    ),
    "dependency-missing/transitive": Scenario(
        {
            "site-packages/reports/__init__.py": "from reports.excel import export\n",
            "site-packages/reports/excel.py": "import openpyxl\n\n\ndef export():\n    return openpyxl\n",
            "app.py": "import sys\n\nsys.path.append('site-packages')\nimport reports\n" + HELLO,
        },
        ("-w", "2", "app:app"),
        by="a package that another package needs",
    ),
    "app-import-error/relative": Scenario(
        app("from .settings import DEBUG\n" + HELLO, settings="DEBUG = False\n"),
        by="a relative import in a top-level module",
    ),
    "app-import-error/name": Scenario(
        app(
            "from shop.api import routes\n" + HELLO,
            shop__api="from shop.models import Customer\n\nroutes = [Customer]\n",
            shop__models="class Client:\n    pass\n",
        ),
        ("-w", "2", "app:app"),
        by="a name that the app's own module does not have any more",
    ),
    "app-import-error/circular-packages": Scenario(
        {
            "app.py": "from shop import create_app\n\napp = create_app()\n",
            "shop/__init__.py": "from shop.views import index\n\ndb = object()\n\n\ndef create_app():\n    return index\n",
            "shop/views.py": "from shop import db\n\n\ndef index(environ, start_response):\n    return [db]\n",
        },
        ("--preload", "app:app"),
        by="a package and its views import each other",
    ),
    "env-config/django-secret": Scenario(
        app(
            _DJANGO.format(before="", settings="SECRET_KEY=os.environ.get('DJANGO_SECRET_KEY', '')")
            + "from django.conf import settings\nsettings.SECRET_KEY\n"
        ),
        ("-w", "2", "app:app"),
        by="Django without its SECRET_KEY",
    ),
    "env-config/decouple": Scenario(
        app("from decouple import config\n\nSTRIPE_KEY = config('STRIPE_KEY')\n" + HELLO),
        by="python-decouple finds no value",
    ),
    "env-config/pydantic-settings": Scenario(
        app(
            "from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n    database_url: str\n"
            "    redis_url: str\n\n\nsettings = Settings()\n" + HELLO
        ),
        ("--preload", "app:app"),
        by="two variables that the settings' class demands",
    ),
    "env-config/no-url": Scenario(
        app(
            "import os\n\nfrom sqlalchemy import create_engine\n\nengine = create_engine(os.environ.get('DATABASE_URL'))\n"
            + HELLO
        ),
        ("-w", "2", "app:app"),
        by="the URL of the database is None",
    ),
    "app-exception/factory": Scenario(
        app(
            "from flask import Flask\n\n\ndef create_app(name, debug):\n    return Flask(name)\n\n\napp = create_app('shop')\n"
        ),
        ("-w", "2", "app:app"),
        by="the app calls its own factory with too few arguments",
    ),
    "app-exception/routes": Scenario(
        app(FLASK + "@app.get('/about')\ndef index():\n    return 'about'\n"), by="two views of one name: Flask refuses"
    ),
    "app-exception/lifespan": Scenario(
        app(_ASGI.format("prices = {'a': 1}\n    app.state.price = prices['b']")),
        ("-k", "uvicorn_worker.UvicornWorker", "app:app"),
        only=("23.0.0", "27.0.1"),
        by="the lifespan of an ASGI app raises",
    ),
    "app-startup-race/folder": Scenario(
        app(
            "import os\nimport time\n\ntime.sleep(1 - time.time() % 1)\nif not os.path.isdir('cache'):\n    time.sleep(0.05)\n"
            "    os.makedirs('cache')\n" + HELLO
        ),
        ("-w", "4", "app:app"),
        by="four workers make the same folder",
    ),
    "app-startup-race/sqlite-table": Scenario(
        app(
            "import sqlite3\nimport time\n\nconnection = sqlite3.connect('app.db')\ntime.sleep(1 - time.time() % 1)\n"
            "if not connection.execute(\"select 1 from sqlite_master where name = 'users'\").fetchone():\n    time.sleep(0.2)\n"
            "    connection.execute('create table users (id integer primary key)')\n" + HELLO
        ),
        ("-w", "4", "app:app"),
        by="four workers create the same table of a SQLite file",
    ),
    "app-startup-race/create-all": Scenario(
        app(
            "import os\nimport time\n\nfrom sqlalchemy import Column, Integer, MetaData, Table, create_engine, inspect, text\n\n"
            "engine = create_engine(f\"postgresql+psycopg2://shop:hunter22secret@127.0.0.1:{os.environ['DB_PORT']}/shop\")\n"
            "metadata = MetaData()\nname = f\"orders_{os.getppid()}\"\ntable = Table(name, metadata, Column('id', Integer, primary_key=True))\n"
            "with engine.connect() as connection:\n    connection.execute(text('select 1'))\n"
            "    time.sleep(4 - time.time() % 4)\n    if not inspect(connection).has_table(name):\n        time.sleep(0.3)\n        table.create(connection)\n    connection.commit()\n"
            + HELLO
        ),
        ("-w", "4", "app:app"),
        needs="postgres",
        by="four workers create the same table of a PostgreSQL",
    ),
    "app-startup-race/seed-rows": Scenario(
        app(
            "import os\nimport time\n\nimport pymysql\n\nconnection = pymysql.connect(host='127.0.0.1', port=int(os.environ['DB_PORT']),"
            " user='shop', password='hunter22secret', database='shop')\ncursor = connection.cursor()\n"
            "name = f'roles_{os.getppid()}'\ncursor.execute(f'create table if not exists {name} (name varchar(20) primary key)')\n"
            "cursor.execute(f\"select count(*) from {name} where name = 'admin'\")\nfound = cursor.fetchone()[0]\n"
            "time.sleep(2 - time.time() % 1)\nif not found:\n    cursor.execute(f\"insert into {name} values ('admin')\")\n    connection.commit()\n"
            + HELLO
        ),
        ("-w", "4", "app:app"),
        needs="mariadb",
        by="four workers insert the same first row",
    ),
    "boot-timeout/model": Scenario(
        app("import time\n\n\ndef load_model():\n    time.sleep(30)\n\n\nload_model()\n" + HELLO),
        ("--timeout", "2", "app:app"),
        seconds=7,
        only=("20.1.0", "21.2.0"),
        by="a model loads longer than the timeout (Gunicorn 22 and later wait for ever)",
    ),
    "boot-timeout/notify": Scenario(
        {
            **app("import time\n\nprint('loading the index', flush=True)\ntime.sleep(30)\n" + HELLO),
            "conf.py": "timeout = 2\n\n\ndef post_fork(server, worker):\n    worker.notify()\n",
        },
        ("-c", "conf.py", "-w", "2", "app:app"),
        seconds=8,
        by="the same in every version, where a hook tells the first sign of life",
    ),
    "boot-timeout/native": Scenario(
        app("import hashlib\n\nTABLE = hashlib.pbkdf2_hmac('sha512', b'a' * 64, b'b', 60_000_000)\n" + HELLO),
        ("--timeout", "2", "-w", "2", "app:app"),
        seconds=9,
        only=("20.1.0", "21.2.0"),
        by="native code at import, which no signal interrupts",
    ),
    "request-timeout/idle-client": Scenario(
        app(HELLO),
        ("--timeout", "2", *ACCESS, "app:app"),
        (*SERVE, "connect", "wait TIMEOUT", "sleep 2", "signal TERM"),
        seconds=14,
        by="a client that connects to a sync worker and says nothing",
    ),
    "request-timeout/gevent-loop": Scenario(
        app(
            "def app(environ, start_response):\n    while environ['PATH_INFO'] == '/report':\n        pass\n    start_response('200 OK', [])\n    return [b'fine']\n"
        ),
        ("-k", "gevent", "--timeout", "2", *ACCESS, "app:app"),
        (*SERVE, "start /report", "wait TIMEOUT", "sleep 2", "signal TERM"),
        seconds=15,
        by="a greenlet that never yields",
    ),
    "request-timeout/lock": Scenario(
        app(
            FLASK.replace("index():", "index():\n    if request.args.get('slow'):\n        lock.acquire()").replace(
                "import Flask", "import Flask, request\nimport threading\n\nlock = threading.Lock()\nlock.acquire()"
            )
        ),
        ("--timeout", "2", "-w", "2", *ACCESS, "app:app"),
        (*SERVE, "start /?slow=1", "wait TIMEOUT", "sleep 2", "get /", "signal TERM"),
        seconds=15,
        by="a request waits for a lock that nobody frees",
    ),
}
