"""A seventh set, applications and services: other libraries, moments and ways to end, and servers that are well."""

from __future__ import annotations

from scenarios_fourth import ASGI, LIFESPAN, PROJECT, UVICORN, installed, scripted
from scenarios_seventh import FALCON, QUART, READY, WITH_SHOP
from scenarios_third_app import LOADED, SETTINGS, django
from scene import ACCESS, FLASK, HELLO, SERVE, Scenario, app

_PONY = (
    "import os\nimport time\n\nfrom pony.orm import Database, PrimaryKey, Required\n\ndb = Database()\n\n\n"
    "class Order(db.Entity):\n    _table_ = {}\n    id = PrimaryKey(int)\n    customer = Required(str)\n\n\n"
    "db.bind('postgres', host='127.0.0.1', port=os.environ['DB_PORT'], user='{}', password='hunter22secret',\n"
    "    database='shop')\n{}"
)
_LOGGED = (
    "import logging\nimport os\n\nlogging.basicConfig(level=logging.INFO,\n"
    "    format='%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s')\n"
)
_PG = "host='127.0.0.1', port=os.environ['DB_PORT'], user='shop', password='hunter22secret', dbname='shop'"
_ADMIN = (
    "import os\nimport psycopg\n\nwith psycopg.connect(host='127.0.0.1', port=os.environ['DB_PORT'], user='postgres', "
    "dbname='postgres',\n        password='p@ss:w/ord%1 ü', autocommit=True) as db:\n"
    "    db.execute('drop role if exists reporting')\n"
    "    db.execute(\"create role reporting nologin password 'hunter22secret'\")\n"
)
_NOTIFY = "timeout = 3\nworkers = 2\n\n\ndef post_fork(server, worker):\n    worker.notify()\n"
_STORM = ("wait Booting worker", "sleep 2", "storm /orders", "sleep 1", "signal TERM")

SCENARIOS: dict[str, Scenario] = {
    "app-not-found/case": Scenario(
        app("", shop__main=LIFESPAN.format("", "pass")),
        (*UVICORN, "-w", "2", "Shop.main:app"),
        only=ASGI,
        by="the package is written with a capital, which Windows does not mind",
    ),
    "app-not-found/usr2": Scenario(
        scripted(
            "gunicorn --pid web.pid -w 2 --bind 127.0.0.1:$PORT --access-logfile - wsgi:app &\nsleep 3\n"
            "echo 'deploy: release 42 is in place'\nrm -rf wsgi.py __pycache__\nkill -USR2 $(cat web.pid)\nwait $!\n",
            wsgi=HELLO,
        ),
        command=("sh", "start.sh"),
        acts=(*SERVE, "sleep 4", "get /", "leave"),
        by="the new master of an upgrade finds that the release has no such module any more",
    ),
    "app-syntax-error/first-request": Scenario(
        {
            **django(SETTINGS + "ALLOWED_HOSTS = ['*']\n"),
            "shop/urls.py": "from django.urls import path\n\nfrom shop import views\n\n"
            "urlpatterns = [\n    path('', views.index)\n    path('orders/', views.orders),\n]\n",
        },
        ("-w", "2", *ACCESS, "app:application"),
        (*SERVE, "get /orders/", "sleep 0.5", "signal TERM"),
        by="Django reads its addresses, which lack a comma, in the first request: every one fails",
    ),
    "app-syntax-error/duplicate": Scenario(
        app(FALCON.format("", "pass").replace("request, response", "request, response, request", 1)),
        ("-k", "gevent", "-w", "2", "app:app"),
        by="a parameter stands twice in a signature",
    ),
    "version-incompatible/aioredis": Scenario(
        app(LIFESPAN.format("import aioredis", "app.state.cache = aioredis.from_url('redis://cache')")),
        (*UVICORN, "-w", "2", "app:app"),
        prepare=installed("--no-deps aioredis==2.0.1 async-timeout"),
        environ=PROJECT,
        only=ASGI,
        by="a client that was given up before Python 3.11",
    ),
    "version-incompatible/numpy-float": Scenario(
        app(
            FALCON.format("from scores import WEIGHTS\n", "response.media = float(WEIGHTS.sum())"),
            scores="import numpy as np\n\nWEIGHTS = np.ones(10, dtype=np.float)\n",
        ),
        ("--preload", "-w", "2", "app:app"),
        by="code for NumPy 1.23 with a newer one",
    ),
    "dependency-missing/cors": Scenario(
        app(
            "from flask import Flask\n\n\ndef create_app(config=None):\n    from flask_cors import CORS\n\n"
            "    app = Flask(__name__)\n    CORS(app)\n    return app\n"
        ),
        ("-k", "gevent", "-w", "2", "app:create_app()"),
        by="a factory imports a package that is not installed",
    ),
    "dependency-missing/middleware": Scenario(
        django(SETTINGS + "MIDDLEWARE = ['corsheaders.middleware.CorsMiddleware']\n"),
        ("-k", "gthread", "-w", "2", "app:application"),
        by="the middleware of a Django app is of a package that is not installed",
    ),
    "app-import-error/case": Scenario(
        app("from shop.Resources import app\n", shop__resources=FALCON.format("", "pass")),
        ("-w", "2", "app:app"),
        by="a module of the app is imported with a capital, which a Mac does not mind",
    ),
    "app-import-error/blueprints": Scenario(
        {
            "shop/__init__.py": "from quart import Quart\n\nfrom shop.orders import orders\n\napp = Quart(__name__)\n"
            "app.register_blueprint(orders)\n",
            "shop/orders.py": "from quart import Blueprint\n\nfrom shop import app\n\n"
            "orders = Blueprint('orders', app.name)\n",
        },
        (*UVICORN, "-w", "2", "shop:app"),
        only=ASGI,
        by="Quart's app and its blueprint import each other",
    ),
    "env-config/log-level": Scenario(
        app("import logging\nimport os\n\nlogging.basicConfig(level=os.environ['LOG_LEVEL'])\n" + HELLO),
        ("-w", "2", "app:app"),
        environ={"LOG_LEVEL": "verbose"},
        by="the environment names a level of logging that Python does not have",
    ),
    "env-config/profile": Scenario(
        app(QUART.format("import os\n\nimport boto3\n", "app.s3 = boto3.Session().client('s3')")),
        (*UVICORN, "-w", "2", "app:app"),
        environ={"AWS_PROFILE": "shop-production"},
        only=ASGI,
        by="the environment names a profile of AWS that this machine does not have",
    ),
    "db-auth-failed/pony": Scenario(
        app(_PONY.format("'orders'", "shop_admin", "db.generate_mapping()\n") + HELLO),
        ("-k", "gthread", "-w", "2", "app:app"),
        needs="postgres",
        by="PostgreSQL refuses the user, Pony",
    ),
    "db-auth-failed/no-login": Scenario(
        {
            **app(
                QUART.format(
                    "import os\n\nimport psycopg\n",
                    "app.db = await psycopg.AsyncConnection.connect("
                    + _PG.replace("user='shop'", "user='reporting'")
                    + ")",
                )
            ),
            "role.py": _ADMIN,
        },
        (*UVICORN, "-w", "2", "app:app"),
        prepare=("$PYTHON role.py",),
        needs="postgres",
        only=ASGI,
        by="a role of PostgreSQL that may not log in, when a Quart app starts",
    ),
    "db-too-many-connections/reload": Scenario(
        app(
            "import os\nimport time\n\nimport psycopg2\n"
            + FLASK
            + f"pool = [psycopg2.connect({_PG}) for _ in range(4)]\n\n\n"
            "@app.get('/report')\ndef report():\n    time.sleep(5)\n    return 'late'\n"
        ),
        ("-w", "2", *ACCESS, "app:app"),
        (*SERVE, "start /report", "start /report", "sleep 0.5", "signal HUP"),
        needs="postgres",
        by="while old workers finish their requests, a reload's new ones want as many connections again",
    ),
    "db-too-many-connections/pool": Scenario(
        app(
            FALCON.format(
                "import os\n\nfrom psycopg_pool import ConnectionPool\n\n"
                "URL = f\"postgresql://shop:hunter22secret@127.0.0.1:{os.environ['DB_PORT']}/shop\"\n"
                "pool = ConnectionPool(URL, min_size=5, open=True)\npool.wait(timeout=4)\n",
                "pass",
            )
        ),
        ("-w", "4", "app:app"),
        needs="postgres",
        by="four workers with pools of five against twelve, which wait in vain",
    ),
    "db-schema-missing/pony": Scenario(
        app(_PONY.format("'purchase_orders'", "shop", "db.generate_mapping()\n") + HELLO),
        ("--preload", "-w", "2", "app:app"),
        needs="postgres",
        by="a table that nothing made, Pony",
    ),
    "db-schema-missing/version": Scenario(
        app(
            "import os\n\nimport pymysql\n\n\ndef check_revision(expected):\n"
            "    db = pymysql.connect(host='127.0.0.1', port=int(os.environ['DB_PORT']), user='shop', "
            "password='hunter22secret',\n        database='shop')\n    cursor = db.cursor()\n"
            "    cursor.execute('select version_num from alembic_version')\n"
            "    assert cursor.fetchone()[0] == expected\n\n\ncheck_revision('8f2c1a')\n" + HELLO
        ),
        ("-k", "gevent", "-w", "2", "app:app"),
        needs="mariadb",
        by="the app asks for the revision of a database that no migration has seen",
    ),
    "db-forked-connection/threaded-pool": Scenario(
        app(
            _LOGGED + f"\nfrom psycopg2.pool import ThreadedConnectionPool\n{FLASK}"
            f"pool = ThreadedConnectionPool(1, 4, {_PG}, sslmode='disable')\n"
            "logging.getLogger('shop.db').info('connection pool is ready')\n\n\n"
            "@app.get('/orders')\ndef orders():\n    db = pool.getconn()\n    try:\n"
            "        cursor = db.cursor()\n        cursor.execute('select generate_series(1, 20000)')\n"
            "        return str(len(cursor.fetchall()))\n    finally:\n        pool.putconn(db)\n"
        ),
        ("--preload", "-k", "gthread", "--threads", "2", "-w", "4", "--timeout", "8", *ACCESS, "app:app"),
        _STORM,
        seconds=40,
        needs="postgres",
        by="--preload makes a pool of psycopg2, whose connection four workers use at once",
    ),
    "db-forked-connection/flask-sqlalchemy": Scenario(
        app(
            _LOGGED + f"\nfrom flask_sqlalchemy import SQLAlchemy\nfrom sqlalchemy import text\n{FLASK}"
            "app.config['SQLALCHEMY_DATABASE_URI'] = (\n"
            "    f\"mysql+pymysql://shop:hunter22secret@127.0.0.1:{os.environ['DB_PORT']}/shop?read_timeout=4\")\n"
            "db = SQLAlchemy(app)\nwith app.app_context():\n"
            "    version = db.session.execute(text('select version()')).scalar()\n"
            "    logging.getLogger('shop').info('connected to %s', version)\n\n\n"
            "@app.get('/orders')\ndef orders():\n"
            "    return str(len(db.session.execute(text('select seq from seq_1_to_20000')).all()))\n"
        ),
        ("--preload", "-w", "4", "--timeout", "8", *ACCESS, "app:app"),
        _STORM,
        seconds=40,
        needs="mariadb",
        by="--preload asks MariaDB for its version through Flask-SQLAlchemy, four workers share the connection",
    ),
    "db-unreachable/cassandra": Scenario(
        app(
            "from cassandra.cluster import Cluster\n\nsession = Cluster(['127.0.0.1'], port=9042).connect('shop')\n"
            + HELLO
        ),
        ("-w", "2", "app:app"),
        by="Cassandra's port is closed",
    ),
    "db-unreachable/proxy": Scenario(
        {
            **scripted(
                "haproxy -f proxy.cfg -db &\nsleep 1\nexec gunicorn -w 2 --bind 127.0.0.1:$PORT app:application\n",
                LOADED + "\nfrom django.db import connection\n\nconnection.ensure_connection()\n",
                shop__settings=SETTINGS + "DATABASES = {'default': {'ENGINE': 'django.db.backends.mysql', "
                "'HOST': '127.0.0.1',\n    'PORT': 13306, 'NAME': 'shop', 'USER': 'shop', 'PASSWORD': 'x'}}\n",
            ),
            "proxy.cfg": "defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 9s\n  timeout server 9s\n"
            "listen db\n  bind 127.0.0.1:13306\n  server maria 127.0.0.1:9\n",
        },
        command=("sh", "start.sh"),
        by="the proxy before MariaDB is there, and MariaDB is not",
    ),
    "backend-unavailable/ldap": Scenario(
        app(
            "from ldap3 import Connection, Server\n\ndirectory = Connection(Server('127.0.0.1', 389), auto_bind=True)\n"
            + HELLO
        ),
        ("-k", "gthread", "-w", "2", "app:app"),
        by="the directory of users refuses",
    ),
    "backend-unavailable/minio": Scenario(
        app(
            QUART.format(
                "from minio import Minio\n",
                "store = Minio('127.0.0.1:9000', access_key='shop', secret_key='x' * 20, secure=False)\n"
                "    if not store.bucket_exists('invoices'):\n        store.make_bucket('invoices')",
            )
        ),
        (*UVICORN, "-w", "2", "app:app"),
        seconds=18,
        only=ASGI,
        by="the object store refuses, when a Quart app starts",
    ),
    "app-startup-race/duckdb": Scenario(
        app("import duckdb\n\nevents = duckdb.connect('events.duckdb')\n" + FALCON.format("", "pass")),
        ("-w", "3", "app:app"),
        by="three workers open the same DuckDB, which only one process may",
    ),
    "app-startup-race/pony": Scenario(
        app(
            _PONY.format(
                "f'orders_{os.getppid()}'",
                "shop",
                "time.sleep(3 - time.time() % 3)\ndb.generate_mapping(create_tables=True)\n",
            )
            + HELLO
        ),
        ("-w", "4", "app:app"),
        needs="postgres",
        by="four workers make the same table, Pony",
    ),
    "app-exception/catalog": Scenario(
        {
            **scripted(
                "gunicorn --max-requests 3 --access-logfile - --bind 127.0.0.1:$PORT app:app &\nsleep 3\n"
                "echo 'sync: 2 products'\nprintf '[{\"id\": 1}, {\"id\": 2' > catalog.json\nwait $!\n",
                "import json\n\nwith open('catalog.json') as file:\n    CATALOG = json.load(file)\n" + HELLO,
            ),
            "catalog.json": "[]",
        },
        command=("sh", "start.sh"),
        acts=(*SERVE, "wait sync:", *["get /"] * 3, "sleep 3"),
        by="a file of the app is cut off while the server runs, and a recycled worker reads it",
    ),
    "app-exception/template": Scenario(
        app(FALCON.format("", "pass").replace("'/orders'", "'/orders/{id}/items/{id}'")),
        ("-k", "gthread", "-w", "2", "app:app"),
        by="an address of Falcon has the same field twice",
    ),
    "boot-timeout/locked-reload": Scenario(
        {
            **scripted(
                "gunicorn --access-logfile - --bind 127.0.0.1:$PORT app:app &\nserver=$!\n"
                "sleep 3\nflock import.lock sleep 60 &\nsleep 0.3\necho 'deploy: reloading'\n"
                "kill -HUP $server\nwait $server\n",
                _LOGGED + "import fcntl\n\nlog = logging.getLogger('shop.boot')\nlock = open('import.lock', 'w')\n"
                "try:\n    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)\nexcept BlockingIOError:\n"
                "    log.info('the nightly import is running, waiting for it')\n    fcntl.flock(lock, fcntl.LOCK_SH)\n"
                "log.info('catalog is loaded')\nlock.close()\n" + HELLO,
            ),
            "gunicorn.conf.py": _NOTIFY,
        },
        command=("sh", "start.sh"),
        acts=(*SERVE, "wait TIMEOUT", "sleep 4", "leave"),
        seconds=18,
        by="the workers of a reload wait for a nightly job, for longer than the timeout",
    ),
    "boot-timeout/ready": Scenario(
        {
            **django(
                WITH_SHOP,
                shop__apps=READY.format(
                    "import time\n\n        for batch in range(1, 81):\n"
                    "            print(f'indexing products: batch {batch} of 80', flush=True)\n"
                    "            time.sleep(0.5)"
                ),
            ),
            "gunicorn.conf.py": _NOTIFY,
        },
        ("app:application",),
        seconds=9,
        by="a Django app fills its index when it is ready, which takes longer than the timeout",
    ),
}
