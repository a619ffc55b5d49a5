"""The third set, databases: other drivers and other moments than before."""

from __future__ import annotations

from scenarios_third_app import LOADED, SETTINGS, django
from scene import ACCESS, FLASK, HELLO, Scenario, app

_TABLES = (
    "import os\n\nDATABASES = {{'default': {{'ENGINE': 'django.db.backends.{}', 'HOST': '{}', 'PORT': os.environ['DB_PORT'],\n"
    "    'NAME': 'shop', 'USER': 'shop', 'PASSWORD': 'hunter22secret', 'CONN_MAX_AGE': 60}}}}\n"
)
_ASYNCPG = (
    "import asyncio\nimport os\n\nimport asyncpg\n\nURL = f\"postgresql://shop:{}@127.0.0.1:{{os.environ['DB_PORT']}}/shop\"\n\n\n"
    "async def load():\n    {}\n\n\nrows = asyncio.run(load())\n"
)
_PEEWEE = (
    "import os\n\nfrom peewee import CharField, Model, MySQLDatabase\n\ndatabase = MySQLDatabase('shop', host='127.0.0.1',\n"
    "    port=int(os.environ['DB_PORT']), user='shop', password='hunter22secret')\n\n\nclass Customer(Model):\n    name = CharField()\n\n"
    "    class Meta:\n        database = database\n\n\n"
)

SCENARIOS: dict[str, Scenario] = {
    "db-auth-failed/asyncpg": Scenario(
        app(_ASYNCPG.format("wrong", "await asyncpg.connect(URL)") + HELLO),
        ("-w", "2", "app:app"),
        needs="postgres",
        by="PostgreSQL refuses the password, asyncpg",
    ),
    "db-auth-failed/no-password": Scenario(
        app(
            "import os\n\nfrom sqlalchemy import create_engine\n\n"
            "create_engine(f\"postgresql+psycopg2://shop@127.0.0.1:{os.environ['DB_PORT']}/shop\").connect()\n" + HELLO
        ),
        needs="postgres",
        by="the URL has no password",
    ),
    "db-too-many-connections/asyncpg": Scenario(
        app(
            "import asyncio\nimport os\n\nimport asyncpg\nfrom fastapi import FastAPI\n\nURL = f\"postgresql://shop:hunter22secret@127.0.0.1:{os.environ['DB_PORT']}/shop\"\n"
            "app = FastAPI()\nloop = asyncio.new_event_loop()\n\n\nasync def fill():\n    return await asyncpg.create_pool(URL, min_size=10, max_size=10)\n\n\n"
            "pool = loop.run_until_complete(fill())\n"
        ),
        ("-w", "3", "app:app"),
        needs="postgres",
        by="three workers with pools of ten against twelve, asyncpg",
    ),
    "db-schema-missing/asyncpg": Scenario(
        app(
            _ASYNCPG.format(
                "hunter22secret",
                "connection = await asyncpg.connect(URL)\n    return await connection.fetch('select * from price_list')",
            )
            + HELLO
        ),
        ("-w", "2", "app:app"),
        needs="postgres",
        by="a table that no migration made, asyncpg",
    ),
    "db-schema-missing/peewee": Scenario(
        app(_PEEWEE + "customers = list(Customer.select())\n" + HELLO),
        ("--preload", "app:app"),
        needs="mariadb",
        by="a table that no migration made, peewee",
    ),
    "db-forked-connection/psycopg": Scenario(
        app(
            "import os\n\nimport psycopg\n"
            + FLASK
            + "connection = psycopg.connect(f\"postgresql://shop:hunter22secret@127.0.0.1:{os.environ['DB_PORT']}/shop\", autocommit=True)\n"
            "\n\n@app.get('/orders')\ndef orders():\n    return str(len(connection.execute('select generate_series(1, 20000)').fetchall()))\n"
        ),
        ("--preload", "-w", "4", "--timeout", "8", *ACCESS, "app:app"),
        ("wait Booting worker", "sleep 2", "storm /orders", "sleep 1", "signal TERM"),
        seconds=40,
        needs="postgres",
        by="--preload opens the connection, four workers use it at once, psycopg 3",
    ),
    "db-unreachable/asyncpg": Scenario(
        app(
            "import asyncio\n\nimport asyncpg\n\nasyncio.run(asyncpg.connect('postgresql://shop@127.0.0.1:5432/shop', timeout=3))\n"
            + HELLO
        ),
        ("-w", "2", "app:app"),
        by="PostgreSQL's port is closed, asyncpg",
    ),
    "db-unreachable/mongo": Scenario(
        app(
            "from pymongo import MongoClient\n\nclient = MongoClient('mongodb://127.0.0.1:27017/shop', serverSelectionTimeoutMS=1500)\nclient.admin.command('ping')\n"
            + HELLO
        ),
        ("-w", "2", "app:app"),
        by="MongoDB's port is closed",
    ),
    "db-unreachable/django-dns": Scenario(
        django(
            SETTINGS + _TABLES.format("postgresql", "db.shop.internal.invalid"),
            LOADED + "\nfrom django.db import connection\n\nconnection.ensure_connection()\n",
        ),
        ("--preload", "app:application"),
        environ={"DB_PORT": "5432"},
        by="the database's name does not resolve, Django",
    ),
    "app-startup-race/django-migrate": Scenario(
        django(
            SETTINGS.replace("[]", "['django.contrib.contenttypes', 'django.contrib.auth']")
            + _TABLES.format("postgresql", "127.0.0.1"),
            LOADED
            + "\nfrom django.core.management import call_command\n\nimport time\n\ntime.sleep(2 - time.time() % 2)\ncall_command('migrate', verbosity=0)\n",
        ),
        ("-w", "4", "app:application"),
        prepare=(
            "$PYTHON -c \"import os, psycopg; psycopg.connect('postgresql://shop:hunter22secret@127.0.0.1:' + os.environ['DB_PORT'] + '/shop', autocommit=True).execute('drop schema public cascade; create schema public')\" "
            "|| true",
        ),
        needs="postgres",
        seconds=20,
        by="four workers run Django's migrations on an empty database",
    ),
}
