"""The fourth set, databases and other services: other drivers and moments than before."""

from __future__ import annotations

from scenarios_fourth import ASGI, LIFESPAN, PROJECT, UVICORN, installed
from scenarios_fourth_app import FALCON
from scenarios_third_app import LOADED, SETTINGS, django
from scene import ACCESS, HELLO, SERVE, Scenario, app

_DATABASE = (
    "import os\n\nDATABASES = {{'default': {{'ENGINE': 'django.db.backends.{}', 'HOST': '127.0.0.1', 'PORT': os.environ['DB_PORT'],\n"
    "    'NAME': 'shop', 'USER': '{}', 'PASSWORD': 'hunter22secret', 'CONN_MAX_AGE': None}}}}\n"
    "LOGGING = {{'version': 1, 'disable_existing_loggers': False, 'handlers': {{'console': {{'class': 'logging.StreamHandler'}}}}, 'root': {{'handlers': ['console']}}}}\n"
)
_URL = "f\"{}://shop:{}@127.0.0.1:{{os.environ['DB_PORT']}}/shop\""
_MYSQL = "host='127.0.0.1', port=int(os.environ['DB_PORT']), user='shop', password='{}', database='shop'"
_TORTOISE = (
    "from aiohttp import web\nfrom tortoise import Tortoise, fields\nfrom tortoise.models import Model\n\n\nclass Product(Model):\n"
    "    name = fields.TextField()\n\n\nasync def start(app):\n    await Tortoise.init(db_url='{}', modules={{'models': ['app']}})\n"
    "    app['products'] = await Product.all()\n\n\napp = web.Application()\napp.on_startup.append(start)\n"
)
_ENGINE = "import os\n\nfrom sqlalchemy import text\nfrom sqlalchemy.ext.asyncio import create_async_engine\n\nengine = create_async_engine({})\n"
_MIGRATION = (
    "import sqlalchemy as sa\nfrom alembic import op\n\nrevision = '4f1c2d'\ndown_revision = None\n\n\ndef upgrade():\n"
    "    op.create_table('orders', sa.Column('id', sa.Integer, primary_key=True))\n"
)
_EMPTY = (
    "$PYTHON -c \"import os, psycopg; psycopg.connect('postgresql://shop:hunter22secret@127.0.0.1:' + os.environ['DB_PORT'] + '/shop', "
    "autocommit=True).execute('drop schema public cascade; create schema public')\" || true"
)
_STORM = ("wait Booting worker", "sleep 2", "storm /orders", "sleep 1", "signal TERM")

SCENARIOS: dict[str, Scenario] = {
    "db-auth-failed/pg8000": Scenario(
        app(
            "import os\n\nfrom sqlalchemy import create_engine\n\n"
            f"create_engine({_URL.format('postgresql+pg8000', 'wrong')}).connect()\n" + HELLO
        ),
        ("-w", "2", "app:app"),
        needs="postgres",
        by="PostgreSQL refuses the password, pg8000",
    ),
    "db-auth-failed/mysql-connector": Scenario(
        app("import os\n\nimport mysql.connector\n\n" + f"mysql.connector.connect({_MYSQL.format('wrong')})\n" + HELLO),
        ("--preload", "app:app"),
        prepare=installed("--no-deps mysql-connector-python"),
        environ=PROJECT,
        needs="mariadb",
        by="MariaDB refuses the password, its maker's own driver",
    ),
    "db-auth-failed/pool": Scenario(
        app(
            "import os\n\nfrom psycopg_pool import ConnectionPool\n\n"
            f"pool = ConnectionPool({_URL.format('postgresql', 'wrong')}, min_size=2, open=True)\npool.wait(timeout=3)\n"
            + HELLO
        ),
        needs="postgres",
        by="PostgreSQL refuses the password, and a pool waits for connections",
    ),
    "db-auth-failed/aiomysql": Scenario(
        app(
            LIFESPAN.format(
                "import os\n\nimport aiomysql",
                "app.state.db = await aiomysql.connect(port=int(os.environ['DB_PORT']), user='storefront', password='x', db='shop')",
            )
        ),
        (*UVICORN, "app:app"),
        only=ASGI,
        needs="mariadb",
        by="MariaDB knows no such user, in the lifespan of an ASGI app",
    ),
    "db-too-many-connections/django-role": Scenario(
        django(
            SETTINGS + _DATABASE.format("postgresql", "small"),
            LOADED + "\nfrom django.db import connection\n\nconnection.ensure_connection()\n",
        ),
        ("-w", "3", "app:application"),
        needs="postgres",
        by="a role that may have one connection, and three workers of Django",
    ),
    "db-too-many-connections/bottle": Scenario(
        app(
            "import os\n\nimport pg8000.dbapi\nfrom bottle import default_app, route\n\nheld = []\n\n\n@route('/')\ndef index():\n    return 'fine'\n\n\n"
            f"@route('/orders')\ndef orders():\n    held.append(pg8000.dbapi.connect({_MYSQL.format('hunter22secret')}))\n    return 'fine'\n\n\napp = default_app()\n"
        ),
        ("-k", "gthread", "--threads", "4", *ACCESS, "app:app"),
        (*SERVE, "storm /orders", "storm /orders", "sleep 1", "get /", "signal TERM"),
        needs="postgres",
        by="requests that leave their connections open, until PostgreSQL has no more",
    ),
    "db-schema-missing/ready": Scenario(
        {
            **django(SETTINGS.replace("[]", "['catalog.apps.CatalogConfig']") + _DATABASE.format("mysql", "shop")),
            "catalog/__init__.py": "",
            "catalog/models.py": "from django.db import models\n\n\nclass Category(models.Model):\n    name = models.CharField(max_length=50)\n",
            "catalog/apps.py": "from django.apps import AppConfig\n\n\nclass CatalogConfig(AppConfig):\n    name = 'catalog'\n\n"
            "    def ready(self):\n        from .models import Category\n\n        self.names = [category.name for category in Category.objects.all()]\n",
        },
        ("-k", "gevent", "-w", "2", "app:application"),
        needs="mariadb",
        by="a Django app reads a table that no migration made when it is ready",
    ),
    "db-schema-missing/async-engine": Scenario(
        app(
            LIFESPAN.format(
                _ENGINE.format(_URL.format("postgresql+asyncpg", "hunter22secret")),
                "async with engine.connect() as connection:\n        await connection.execute(text('select rate from tax_rates'))",
            )
        ),
        (*UVICORN, "-w", "2", "app:app"),
        only=ASGI,
        needs="postgres",
        by="a table that no migration made, SQLAlchemy's asynchronous engine",
    ),
    "db-schema-missing/tortoise": Scenario(
        app(_TORTOISE.format("sqlite://shop.db")),
        ("-k", "aiohttp.GunicornWebWorker", "app:app"),
        by="a table that nothing made, Tortoise in aiohttp's worker",
    ),
    "db-forked-connection/pg8000": Scenario(
        app(
            "import os\n\nimport pg8000.native\n"
            "connection = pg8000.native.Connection('shop', host='127.0.0.1', port=int(os.environ['DB_PORT']), database='shop', password='hunter22secret', ssl_context=False)\n"
            + FALCON.format("        response.media = len(connection.run('select generate_series(1, 20000)'))\n")
        ),
        ("--preload", "-w", "4", "--timeout", "8", *ACCESS, "app:app"),
        _STORM,
        seconds=40,
        needs="postgres",
        by="--preload opens the connection, four workers use it at once, pg8000",
    ),
    "db-forked-connection/django": Scenario(
        {
            **django(
                SETTINGS + "ALLOWED_HOSTS = ['*']\n" + _DATABASE.format("postgresql", "shop"),
                LOADED + "\nfrom django.db import connection\n\nconnection.ensure_connection()\n",
            ),
            "shop/urls.py": "from django.db import connection\nfrom django.http import HttpResponse\nfrom django.urls import path\n\n\ndef orders(request):\n"
            "    with connection.cursor() as cursor:\n        cursor.execute('select generate_series(1, 20000)')\n        return HttpResponse(len(cursor.fetchall()))\n\n\n"
            "urlpatterns = [path('orders', orders)]\n",
        },
        ("--preload", "-w", "4", "--timeout", "8", *ACCESS, "app:application"),
        _STORM,
        seconds=40,
        needs="postgres",
        by="--preload makes Django open its connection, four workers use it at once",
    ),
    "db-unreachable/motor": Scenario(
        app(
            LIFESPAN.format(
                "from motor.motor_asyncio import AsyncIOMotorClient",
                "app.state.db = AsyncIOMotorClient('mongodb://mongo.shop.invalid:27017/shop', serverSelectionTimeoutMS=1500)\n    await app.state.db.admin.command('ping')",
            )
        ),
        (*UVICORN, "-w", "2", "app:app"),
        only=ASGI,
        by="the name of MongoDB does not resolve, Motor",
    ),
    "db-unreachable/pg8000": Scenario(
        app(
            "import pg8000.dbapi\n"
            + FALCON.format("        pass\n")
            + "database = pg8000.dbapi.connect('shop', host='127.0.0.1', port=5432, password='x')\n"
        ),
        ("-k", "gthread", "-w", "2", "app:app"),
        by="PostgreSQL's port is closed, pg8000",
    ),
    "db-unreachable/mysql-connector": Scenario(
        app(
            "import mysql.connector\n\nmysql.connector.connect(host='127.0.0.1', port=3306, user='shop', password='x', database='shop')\n"
            + HELLO
        ),
        ("-w", "2", "app:app"),
        prepare=installed("--no-deps mysql-connector-python"),
        environ=PROJECT,
        by="MySQL's port is closed, its maker's own driver",
    ),
    "db-unreachable/tortoise": Scenario(
        app(_TORTOISE.format("asyncpg://shop:x@db.shop.invalid:5432/shop")),
        ("-k", "aiohttp.GunicornWebWorker", "-w", "2", "app:app"),
        by="the database's name does not resolve, Tortoise in aiohttp's worker",
    ),
    "backend-unavailable/elasticsearch": Scenario(
        app(
            "from elasticsearch import Elasticsearch\n\nindex = Elasticsearch('http://127.0.0.1:9200', max_retries=0)\nindex.info()\n"
            + HELLO
        ),
        ("--preload", "app:app"),
        by="Elasticsearch refuses",
    ),
    "backend-unavailable/kafka": Scenario(
        app(
            "from kafka import KafkaProducer\n\nevents = KafkaProducer(bootstrap_servers='127.0.0.1:9092', bootstrap_timeout_ms=2000)\n"
            + HELLO
        ),
        ("-w", "2", "app:app"),
        by="no broker of Kafka answers",
    ),
    "backend-unavailable/secrets": Scenario(
        app(
            "import boto3\n\nsecrets = boto3.client('secretsmanager', region_name='eu-west-1', endpoint_url='http://127.0.0.1:4566', aws_access_key_id='a', aws_secret_access_key='b')\n"
            "SECRET_KEY = secrets.get_secret_value(SecretId='shop')['SecretString']\n" + HELLO
        ),
        ("-k", "gthread", "app:app"),
        by="the secrets store refuses, boto3",
    ),
    "backend-unavailable/celery": Scenario(
        app(
            "from celery import Celery\n\nqueue = Celery('shop', broker='amqp://shop:x@127.0.0.1:5672//')\nqueue.send_task('shop.warm_up', retry=False)\n"
            + HELLO
        ),
        ("-k", "gevent", "app:app"),
        by="the broker of Celery refuses",
    ),
    "app-startup-race/alembic": Scenario(
        {
            **app(
                "import os\nimport time\n\nfrom alembic import command\nfrom alembic.config import Config\n\nconfig = Config()\nconfig.set_main_option('script_location', 'migrations')\n"
                "time.sleep(4 - time.time() % 4)\ncommand.upgrade(config, 'head')\n" + HELLO
            ),
            "migrations/env.py": "import os\n\nfrom alembic import context\nfrom sqlalchemy import create_engine\n\n"
            f"with create_engine({_URL.format('postgresql+psycopg2', 'hunter22secret')}).connect() as connection:\n"
            "    context.configure(connection=connection)\n    with context.begin_transaction():\n        context.run_migrations()\n",
            "migrations/versions/4f1c2d_orders.py": _MIGRATION,
        },
        ("-w", "4", "app:app"),
        prepare=(_EMPTY,),
        needs="postgres",
        by="four workers run Alembic's migrations on an empty database",
    ),
    "boot-timeout/view": Scenario(
        app(
            "import os\n\nimport psycopg2\n\n"
            f"connection = psycopg2.connect({_URL.format('postgresql', 'hunter22secret')})\nconnection.cursor().execute('select pg_sleep(30)')\n"
            + HELLO
        ),
        ("-k", "gthread", "--timeout", "2", "-w", "2", "app:app"),
        seconds=8,
        only=("20.1.0",),
        needs="postgres",
        by="a statement at import takes longer than the timeout",
    ),
}
