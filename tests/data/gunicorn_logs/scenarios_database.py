"""Databases and the other services: real PostgreSQL, MariaDB and Redis that refuse, are full, or are not there."""

from __future__ import annotations

from scene import ACCESS, FLASK, HELLO, SERVE, Scenario, app

_PSYCOPG2 = "import os\n\nimport psycopg2\n\n"
_PSYCOPG = "import os\n\nimport psycopg\n\n"
_PYMYSQL = "import os\n\nimport pymysql\n\n"
_MYSQL = "import os\n\nimport MySQLdb\n\n"
_SQLALCHEMY = "import os\n\nfrom sqlalchemy import create_engine, text\n\n"
_PG = "host='127.0.0.1', port=int(os.environ['DB_PORT'])"
_URL = "{}://{}:{}@127.0.0.1:{{os.environ['DB_PORT']}}/{}"


def _url(scheme: str, user: str = "shop", password: str = "hunter22secret", database: str = "shop") -> str:
    return 'f"' + _URL.format(scheme, user, password, database) + '"'


_FORKED = "\n\n@app.get('/orders')\ndef orders():\n    with connection.cursor() as cursor:\n        cursor.execute({})\n        return str(len(cursor.fetchall()))\n"
_STORM = ("wait Booting worker", "sleep 2", "storm /orders", "sleep 1", "signal TERM")
_PRELOADED = ("--preload", "-w", "4", "--timeout", "8", *ACCESS, "app:app")

SCENARIOS: dict[str, Scenario] = {
    "db-auth-failed/psycopg2-password": Scenario(
        app(_PSYCOPG2 + f"psycopg2.connect({_PG}, user='shop', password='wrong', dbname='shop')\n" + HELLO),
        ("-w", "2", "app:app"),
        needs="postgres",
        by="PostgreSQL refuses the password",
    ),
    "db-auth-failed/psycopg-database": Scenario(
        app(
            _PSYCOPG
            + f"psycopg.connect({_PG}, user='shop', password='hunter22secret', dbname='shop_production')\n"
            + HELLO
        ),
        needs="postgres",
        by="PostgreSQL has no database of that name",
    ),
    "db-auth-failed/sqlalchemy-role": Scenario(
        app(_SQLALCHEMY + f"create_engine({_url('postgresql+psycopg2', 'storefront')}).connect()\n" + HELLO),
        ("--preload", "app:app"),
        needs="postgres",
        by="PostgreSQL knows no such role",
    ),
    "db-auth-failed/pymysql-denied": Scenario(
        app(_PYMYSQL + f"pymysql.connect({_PG}, user='shop', password='wrong', database='shop')\n" + HELLO),
        ("-w", "2", "app:app"),
        needs="mariadb",
        by="MariaDB refuses the password",
    ),
    "db-auth-failed/mysqlclient-database": Scenario(
        app(_MYSQL + f"MySQLdb.connect({_PG}, user='shop', password='hunter22secret', database='warehouse')\n" + HELLO),
        needs="mariadb",
        by="MariaDB gives this user no such database",
    ),
    "db-too-many-connections/postgres-slots": Scenario(
        app(
            _PSYCOPG2
            + f"held = [psycopg2.connect({_PG}, user='shop', password='hunter22secret', dbname='shop') for _ in range(8)]\n"
            + HELLO
        ),
        ("-w", "4", "app:app"),
        needs="postgres",
        by="four workers with eight connections each against twelve",
    ),
    "db-too-many-connections/role-limit": Scenario(
        app(
            _SQLALCHEMY
            + f"engine = create_engine({_url('postgresql+psycopg', 'small')})\nconnection = engine.connect()\n"
            + "connection.execute(text('select 1'))\n"
            + HELLO
        ),
        ("-w", "3", "app:app"),
        needs="postgres",
        by="a role that may have one connection, and three workers",
    ),
    "db-too-many-connections/mariadb-full": Scenario(
        app(
            _PYMYSQL
            + f"held = [pymysql.connect({_PG}, user='shop', password='hunter22secret', database='shop') for _ in range(6)]\n"
            + HELLO
        ),
        ("-w", "3", "app:app"),
        needs="mariadb",
        by="three workers with six connections each against ten",
    ),
    "db-too-many-connections/mariadb-user": Scenario(
        app(
            _MYSQL
            + f"connection = MySQLdb.connect({_PG}, user='small', password='hunter22secret', database='shop')\n"
            + HELLO
        ),
        ("-w", "2", "app:app"),
        needs="mariadb",
        by="a user who may have one connection, and two workers",
    ),
    "db-schema-missing/postgres": Scenario(
        app(
            _PSYCOPG2
            + f"cursor = psycopg2.connect({_PG}, user='shop', password='hunter22secret', dbname='shop').cursor()\ncursor.execute('select name from feature_flags')\n"
            + HELLO
        ),
        ("-w", "2", "app:app"),
        needs="postgres",
        by="a table that no migration made, PostgreSQL",
    ),
    "db-schema-missing/mariadb": Scenario(
        app(
            _SQLALCHEMY
            + f"with create_engine({_url('mysql+pymysql')}).connect() as connection:\n    connection.execute(text('select name from feature_flags'))\n"
            + HELLO
        ),
        ("--preload", "app:app"),
        needs="mariadb",
        by="a table that no migration made, MariaDB",
    ),
    "db-schema-missing/django": Scenario(
        {
            **app(
                "import os\n\nfrom django.conf import settings\n\nsettings.configure(\n    SECRET_KEY='x' * 50,\n"
                "    INSTALLED_APPS=['django.contrib.contenttypes', 'django.contrib.auth'],\n    DATABASES={'default': {\n"
                "        'ENGINE': 'django.db.backends.postgresql', 'NAME': 'shop', 'USER': 'shop', 'PASSWORD': 'hunter22secret',\n"
                "        'HOST': '127.0.0.1', 'PORT': os.environ['DB_PORT'],\n    }},\n)\n"
                "from django.core.wsgi import get_wsgi_application\n\napp = get_wsgi_application()\n"
                "from django.contrib.auth.models import User\n\nADMINS = list(User.objects.filter(is_superuser=True))\n"
            )
        },
        needs="postgres",
        by="Django's own tables before `migrate`",
    ),
    "db-forked-connection/psycopg2": Scenario(
        app(
            _PSYCOPG2
            + FLASK
            + f"connection = psycopg2.connect({_PG}, user='shop', password='hunter22secret', dbname='shop', sslmode='disable')\n"
            "connection.autocommit = True\n" + _FORKED.format("'select generate_series(1, 20000)'")
        ),
        _PRELOADED,
        _STORM,
        seconds=40,
        needs="postgres",
        by="--preload opens the connection, four workers use it at once",
    ),
    "db-forked-connection/pymysql": Scenario(
        app(
            _PYMYSQL
            + FLASK
            + f"connection = pymysql.connect({_PG}, user='shop', password='hunter22secret', database='shop')\n"
            + _FORKED.format("'select seq from seq_1_to_20000'")
        ),
        _PRELOADED,
        _STORM,
        seconds=40,
        needs="mariadb",
        by="the same with PyMySQL",
    ),
    "db-forked-connection/tls": Scenario(
        app(
            _PSYCOPG2
            + FLASK
            + f"connection = psycopg2.connect({_PG}, user='shop', password='hunter22secret', dbname='shop', sslmode='require')\n"
            "connection.autocommit = True\n" + _FORKED.format("'select generate_series(1, 20000)'")
        ),
        _PRELOADED,
        _STORM,
        seconds=40,
        needs="postgres",
        by="the same over TLS, whose keys count what was sent",
    ),
    "db-forked-connection/sqlalchemy": Scenario(
        app(
            _SQLALCHEMY + FLASK + f"engine = create_engine({_url('postgresql+psycopg')})\n"
            "with engine.connect() as connection:\n    connection.execute(text('select 1'))\n\n\n@app.get('/orders')\ndef orders():\n"
            "    with engine.connect() as connection:\n        return str(len(connection.execute(text('select generate_series(1, 20000)')).all()))\n"
        ),
        _PRELOADED,
        _STORM,
        seconds=40,
        needs="postgres",
        by="--preload fills SQLAlchemy's pool, four workers share it",
    ),
    "db-unreachable/timeout": Scenario(
        app(
            _PSYCOPG2
            + "psycopg2.connect(host='127.0.0.1', port=@PORT@, user='shop', dbname='shop', connect_timeout=2)\n"
            + HELLO
        ),
        ("--bind", "127.0.0.1:0", "app:app"),
        ("occupy",),
        by="a server that accepts and never answers",
    ),
    "db-unreachable/postgres-socket": Scenario(
        app(_PSYCOPG + "psycopg.connect(host='/run/postgresql-none', user='shop', dbname='shop')\n" + HELLO),
        ("-w", "2", "app:app"),
        by="the socket of a PostgreSQL that does not run",
    ),
    "db-unreachable/mysql-socket": Scenario(
        app(_MYSQL + "MySQLdb.connect(user='shop', unix_socket='/run/mysqld-none/mysqld.sock')\n" + HELLO),
        ("--preload", "app:app"),
        by="the socket of a MariaDB that does not run",
    ),
    "db-unreachable/django": Scenario(
        app(
            "from django.conf import settings\n\nsettings.configure(SECRET_KEY='x' * 50, DATABASES={'default': {\n"
            "    'ENGINE': 'django.db.backends.mysql', 'NAME': 'shop', 'USER': 'shop', 'HOST': '127.0.0.1', 'PORT': '1',\n}})\n"
            "from django.core.wsgi import get_wsgi_application\n\napp = get_wsgi_application()\n"
            "from django.db import connection\n\nconnection.ensure_connection()\n"
        ),
        ("-w", "2", "app:app"),
        by="Django cannot reach its MariaDB",
    ),
    "backend-unavailable/redis": Scenario(
        app("import redis\n\nclient = redis.Redis(host='127.0.0.1', port=1)\nclient.ping()\n" + HELLO),
        ("-w", "2", "app:app"),
        by="Redis refuses",
    ),
    "backend-unavailable/redis-password": Scenario(
        app(
            "import os\n\nimport redis\n\nclient = redis.Redis(port=int(os.environ['DB_PORT']), username='shop', password='wrong')\nclient.ping()\n"
            + HELLO
        ),
        needs="redis",
        by="Redis denies access",
    ),
    "backend-unavailable/http-503": Scenario(
        {
            **app(
                "import requests\n\nanswer = requests.get('http://127.0.0.1:@PORT@/v1/secret/shop', timeout=5)\n"
                "answer.raise_for_status()\n" + HELLO
            ),
            "vault.py": "import http.server\n\n\nclass Sealed(http.server.BaseHTTPRequestHandler):\n"
            "    def do_GET(self):\n        self.send_error(503)\n\n    def log_message(self, *_):\n        pass\n\n\n"
            "http.server.HTTPServer(('127.0.0.1', @PORT@), Sealed).serve_forever()\n",
            "start.sh": "python vault.py &\nsleep 2\nexec gunicorn --preload --bind unix:web.sock app:app\n",
        },
        command=("sh", "start.sh"),
        by="a secrets store answers 503",
    ),
    "backend-unavailable/http-timeout": Scenario(
        app("import requests\n\nkeys = requests.get('http://127.0.0.1:@PORT@/v1/keys', timeout=1.5).json()\n" + HELLO),
        ("--bind", "127.0.0.1:0", "app:app"),
        ("occupy",),
        by="an HTTP service that never answers",
    ),
    "request-timeout/database": Scenario(
        app(
            _PSYCOPG2
            + FLASK
            + f"@app.get('/slow')\ndef slow():\n    connection = psycopg2.connect({_PG}, user='shop', password='hunter22secret', dbname='shop')\n"
            "    connection.cursor().execute('select pg_sleep(20)')\n    return 'late'\n"
        ),
        ("--timeout", "2", *ACCESS, "app:app"),
        (*SERVE, "start /slow", "wait TIMEOUT", "sleep 2", "get /", "signal TERM"),
        seconds=15,
        needs="postgres",
        by="a statement that takes too long",
    ),
}
