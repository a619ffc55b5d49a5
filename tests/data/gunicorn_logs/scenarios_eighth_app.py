"""An eighth set, of what is met most often: what an application's own modules, packages and settings do."""

from __future__ import annotations

from scene import ACCESS, FLASK, HELLO, SERVE, Scenario, app

WSGI = (
    "import os\n\nfrom django.core.wsgi import get_wsgi_application\n\n"
    "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\napplication = get_wsgi_application()\n"
)
URLS = "from django.urls import path\n\nfrom blog import views\n\nurlpatterns = [path('', views.index)]\n"
VIEWS = "from django.http import HttpResponse\n\n\ndef index(request):\n    return HttpResponse('fine')\n"
UVICORN = ("-k", "uvicorn.workers.UvicornWorker")
SQLALCHEMY = "import os\n\nfrom sqlalchemy import create_engine, text\n\n"


def django(settings: str = "", installed: str = "", **more: str) -> dict[str, str]:
    """Return a project `mysite` with an app `blog`; further files by module name, __ for a folder."""
    return {
        "manage.py": "",
        "mysite/__init__.py": "",
        "mysite/wsgi.py": WSGI,
        "mysite/urls.py": URLS,
        "mysite/settings.py": "import os\n\nSECRET_KEY = 'not-so-secret'\nALLOWED_HOSTS = ['*']\nTIME_ZONE = 'UTC'\n"
        "ROOT_URLCONF = 'mysite.urls'\n"
        f"INSTALLED_APPS = ['django.contrib.contenttypes', 'django.contrib.auth', 'blog', {installed}]\n{settings}",
        "blog/__init__.py": "",
        "blog/views.py": VIEWS,
        **{name.replace("__", "/") + ".py": body for name, body in more.items()},
    }


SITE = ("mysite.wsgi:application",)

SCENARIOS: dict[str, Scenario] = {
    "monkey-patch-late/preload-requests": Scenario(
        app(f"import requests\n{FLASK}session = requests.Session()\n"),
        args=("app:app", "--preload", "-k", "gevent", *ACCESS),
        acts=(*SERVE, "signal TERM"),
        seconds=8,
        by="the app is loaded, with ssl, before the gevent worker patches",
    ),
    "monkey-patch-late/conf-urllib3": Scenario(
        {
            **app(HELLO),
            "gunicorn.conf.py": "import urllib3\n\nworker_class = 'gevent'\nworkers = 2\n"
            "pool = urllib3.PoolManager()\n",
        },
        acts=(*SERVE, "signal TERM"),
        seconds=8,
        by="gunicorn.conf.py imports ssl through a library before the worker patches",
    ),
    "monkey-patch-late/patch-in-app": Scenario(
        app(
            "import boto3\nfrom gevent import monkey\n\nmonkey.patch_all()\n"
            f"{FLASK}@app.get('/export')\ndef export():\n"
            "    s3 = boto3.client('s3', region_name='eu-central-1')\n    return s3.meta.region_name\n"
        ),
        args=("app:app", *ACCESS),
        acts=(*SERVE, "get /export", "sleep 1", "signal TERM"),
        seconds=8,
        by="the app patches after the import of boto3, and its first client recurses without end",
    ),
    "app-not-found/attribute": Scenario(
        app(FLASK),
        args=("app:application", "-w", "2"),
        by="the module's variable is app, the command says application",
    ),
    "app-not-found/no-wsgi-module": Scenario(
        {"main.py": FLASK},
        args=("wsgi:app",),
        by="the command is a tutorial's: this project has no wsgi.py",
    ),
    "app-not-found/django-outer-folder": Scenario(
        {"shop/" + name: body for name, body in django().items()},
        args=SITE,
        by="it is started in the folder above the project's",
    ),
    "app-syntax-error/bracket": Scenario(
        app(
            "from flask import Flask, jsonify\n\napp = Flask(__name__)\n\n\n@app.get('/')\ndef index():\n"
            "    return jsonify({'status': 'ok', 'items': [1, 2, 3})\n"
        ),
        by="a bracket is not closed",
    ),
    "app-syntax-error/merge-conflict": Scenario(
        django(
            blog__views="from django.http import HttpResponse\n\n\ndef index(request):\n<<<<<<< HEAD\n"
            "    return HttpResponse('fine')\n=======\n    return HttpResponse('good')\n>>>>>>> feature/greeting\n",
            mysite__wsgi=WSGI + "\nimport mysite.urls  # noqa\n",
        ),
        args=(*SITE, "-w", "2"),
        by="a merge was committed with its conflict",
    ),
    "app-syntax-error/indentation": Scenario(
        app(
            "from fastapi import FastAPI\n\nfrom routers import router\n\napp = FastAPI()\n"
            "app.include_router(router)\n",
            routers="from fastapi import APIRouter\n\nrouter = APIRouter()\n\n\n@router.get('/')\ndef index():\n"
            "return {'ok': True}\n",
        ),
        args=("app:app", *UVICORN),
        by="a function's body is not indented",
    ),
    "version-incompatible/werkzeug-url-quote": Scenario(
        app(f"from werkzeug.urls import url_quote\n{FLASK}"),
        by="a name that Werkzeug 3 has removed",
    ),
    "version-incompatible/pydantic-settings-moved": Scenario(
        app(
            "from fastapi import FastAPI\nfrom pydantic import BaseSettings\n\n\nclass Settings(BaseSettings):\n"
            "    debug: bool = False\n\n\nsettings = Settings()\napp = FastAPI()\n"
        ),
        args=("app:app", *UVICORN, "-w", "2"),
        by="pydantic was upgraded to 2, the code was not",
    ),
    "version-incompatible/django-ugettext": Scenario(
        django(blog__models="from django.utils.translation import ugettext_lazy as _\n\nTITLE = _('Blog')\n"),
        args=SITE,
        by="an app for Django 3 in a newer Django",
    ),
    "dependency-missing/corsheaders": Scenario(
        django(installed="'corsheaders'"),
        args=(*SITE, "-w", "2"),
        by="an app of INSTALLED_APPS is not in the image",
    ),
    "dependency-missing/pandas": Scenario(
        app(
            f"from reports import monthly\n{FLASK}@app.get('/monthly')\ndef page():\n    return monthly()\n",
            reports="import pandas as pd\n\n\ndef monthly():\n    return pd.DataFrame().to_html()\n",
        ),
        args=("app:app", "-k", "gevent"),
        by="pandas is not in requirements.txt",
    ),
    "dependency-missing/multipart": Scenario(
        app(
            "from fastapi import FastAPI, UploadFile\n\napp = FastAPI()\n\n\n@app.post('/files')\n"
            "async def take(file: UploadFile):\n    return file.filename\n"
        ),
        args=("app:app", *UVICORN),
        by="FastAPI needs a further package for forms",
    ),
    "app-import-error/circular": Scenario(
        app(
            "from flask import Flask\nfrom flask_sqlalchemy import SQLAlchemy\n\nfrom models import User\n\n"
            "app = Flask(__name__)\ndb = SQLAlchemy(app)\n",
            models="from app import db\n\n\nclass User(db.Model):\n    id = db.Column(db.Integer, primary_key=True)\n",
        ),
        by="the app imports its models, and they import the app",
    ),
    "app-import-error/relative": Scenario(
        app(
            "from fastapi import FastAPI\n\nfrom .routers import users\n\napp = FastAPI()\napp.include_router(users)\n",
            routers="from fastapi import APIRouter\n\nusers = APIRouter()\n",
        ),
        args=("app:app", *UVICORN),
        by="it is started inside the package, whose modules import each other relatively",
    ),
    "app-import-error/from-outside": Scenario(
        {
            "backend/__init__.py": "",
            "backend/main.py": "from fastapi import FastAPI\n\nfrom database import SessionLocal\n\napp = FastAPI()\n",
            "backend/database.py": "SessionLocal = None\n",
        },
        args=("backend.main:app", *UVICORN, "-w", "2"),
        by="it is started above the folder from which its modules import each other",
    ),
    "env-config/key-error": Scenario(
        app(f"import os\n{FLASK}app.config['SQLALCHEMY_DATABASE_URI'] = os.environ['DATABASE_URL']\n"),
        args=("app:app", "-w", "2"),
        by="DATABASE_URL is not set",
    ),
    "env-config/decouple-secret-key": Scenario(
        django("from decouple import config\n\nSECRET_KEY = config('DJANGO_SECRET_KEY')\n"),
        args=SITE,
        by="the environment has no secret key for Django",
    ),
    "env-config/pydantic-fields": Scenario(
        app(
            "from fastapi import FastAPI\nfrom pydantic_settings import BaseSettings\n\n\n"
            "class Settings(BaseSettings):\n    database_url: str\n    jwt_secret: str\n\n\n"
            "settings = Settings()\napp = FastAPI()\n"
        ),
        args=("app:app", *UVICORN),
        by="two required settings are not in the environment",
    ),
    "db-auth-failed/postgres-password": Scenario(
        app(
            SQLALCHEMY + 'engine = create_engine(\n    f"postgresql+psycopg2://shop:changeme@127.0.0.1:'
            "{os.environ['DB_PORT']}/shop\")\nwith engine.connect() as connection:\n"
            f"    connection.execute(text('SELECT 1'))\n{FLASK}"
        ),
        args=("app:app", "-w", "2"),
        needs="postgres",
        by="the password of the environment is not the role's",
    ),
    "db-auth-failed/mysql-request": Scenario(
        app(
            f"import os\n\nimport pymysql\n{FLASK}@app.get('/orders')\ndef orders():\n"
            "    with pymysql.connect(host='127.0.0.1', port=int(os.environ['DB_PORT']), user='shop',\n"
            "                         password='changeme', database='shop') as connection:\n"
            "        return str(connection.cursor().execute('SELECT 1'))\n"
        ),
        args=("app:app", "-k", "gthread", "--threads", "4", *ACCESS),
        needs="mariadb",
        acts=(*SERVE, "get /orders", "get /orders", "signal TERM"),
        seconds=8,
        by="the first request connects, and MySQL denies access",
    ),
    "db-auth-failed/database-absent": Scenario(
        app(
            "import os\nfrom contextlib import asynccontextmanager\n\nimport asyncpg\nfrom fastapi import FastAPI\n\n\n"
            "@asynccontextmanager\nasync def lifespan(app):\n"
            "    app.pool = await asyncpg.create_pool(host='127.0.0.1', port=int(os.environ['DB_PORT']), user='shop',\n"
            "                                         password='hunter22secret', database='shop_production')\n"
            "    yield\n    await app.pool.close()\n\n\napp = FastAPI(lifespan=lifespan)\n"
        ),
        args=("app:app", *UVICORN),
        needs="postgres",
        acts=("wait Booting worker", "sleep 2"),
        seconds=5,
        by="the database of the name was never made",
    ),
    "db-too-many-connections/pool-of-each-worker": Scenario(
        app(
            "import os\n\nfrom psycopg2.pool import ThreadedConnectionPool\n\n"
            "pool = ThreadedConnectionPool(6, 10, host='127.0.0.1', port=os.environ['DB_PORT'], user='shop',\n"
            f"                              password='hunter22secret', dbname='shop')\n{FLASK}"
        ),
        args=("app:app", "-w", "4"),
        needs="postgres",
        by="four workers with six connections each, where the server takes twelve",
    ),
    "db-too-many-connections/role-limit": Scenario(
        app(
            f"import os\n\nimport psycopg\n{FLASK}held = []\n\n\n@app.get('/orders')\ndef orders():\n"
            "    connection = psycopg.connect(host='127.0.0.1', port=os.environ['DB_PORT'], user='small',\n"
            "                                 password='hunter22secret', dbname='shop')\n"
            "    held.append(connection)\n    return str(connection.execute('SELECT 1').fetchone())\n"
        ),
        args=("app:app", "-w", "2", "-k", "gthread", "--threads", "4", *ACCESS),
        needs="postgres",
        acts=(*SERVE, "get /orders", "get /orders", "get /orders", "signal TERM"),
        seconds=8,
        by="each request keeps its connection, and the role may have one",
    ),
    "db-too-many-connections/mysql": Scenario(
        app(
            "import os\n\nimport MySQLdb\n\n"
            "pool = [MySQLdb.connect(host='127.0.0.1', port=int(os.environ['DB_PORT']),\n"
            f"                        user='shop', passwd='hunter22secret', db='shop') for _ in range(8)]\n{FLASK}"
        ),
        args=("app:app", "-w", "3"),
        needs="mariadb",
        by="three workers with eight connections each, where the server takes ten",
    ),
    "db-schema-missing/django-users": Scenario(
        django(
            "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'db.sqlite3'}}\n",
            blog__views="from django.contrib.auth.models import User\nfrom django.http import HttpResponse\n\n\n"
            "def index(request):\n    return HttpResponse(User.objects.count())\n",
            blog__apps="from django.apps import AppConfig\n\n\nclass BlogConfig(AppConfig):\n    name = 'blog'\n\n"
            "    def ready(self):\n        from django.contrib.auth.models import User\n\n"
            "        User.objects.get_or_create(username='admin')\n",
        ),
        args=SITE,
        by="nobody ran migrate: there is no table of users",
    ),
    "db-schema-missing/relation": Scenario(
        app(
            SQLALCHEMY + 'engine = create_engine(f"postgresql+psycopg2://shop:hunter22secret@127.0.0.1:'
            f"{{os.environ['DB_PORT']}}/shop\")\n{FLASK}@app.get('/invoices')\ndef invoices():\n"
            "    with engine.connect() as connection:\n"
            "        return str(connection.execute(text('SELECT id, total FROM invoices')).all())\n"
        ),
        args=("app:app", "-w", "2", *ACCESS),
        needs="postgres",
        acts=(*SERVE, "get /invoices", "get /invoices", "signal TERM"),
        seconds=8,
        by="the table comes with a migration that was not run",
    ),
    "db-schema-missing/mysql-table": Scenario(
        app(
            "import os\n\nimport pymysql\n\nconnection = pymysql.connect(host='127.0.0.1', user='shop',\n"
            "    port=int(os.environ['DB_PORT']), password='hunter22secret', database='shop')\n"
            "with connection.cursor() as cursor:\n    cursor.execute('SELECT name, value FROM settings')\n"
            f"    SETTINGS = dict(cursor.fetchall())\nconnection.close()\n{FLASK}"
        ),
        needs="mariadb",
        by="the app reads its settings from a table that is not there yet",
    ),
    "db-forked-connection/psycopg2-tls": Scenario(
        app(
            "import os\n\nimport psycopg2\n\nconnection = psycopg2.connect(host='127.0.0.1', user='shop',\n"
            "    port=os.environ['DB_PORT'], password='hunter22secret', dbname='shop')\n"
            f"connection.autocommit = True\n{FLASK}@app.get('/orders')\ndef orders():\n"
            "    with connection.cursor() as cursor:\n"
            "        cursor.execute('SELECT pg_sleep(0.05), 1')\n        return str(cursor.fetchone())\n"
        ),
        args=("app:app", "--preload", "-w", "4", *ACCESS),
        needs="postgres",
        acts=("wait Booting worker", "sleep 1.5", "storm /orders", "storm /orders", "signal TERM"),
        seconds=10,
        by="four workers speak over the one connection that the preloaded app made",
    ),
    "db-forked-connection/pymysql": Scenario(
        app(
            "import os\n\nimport pymysql\n\nconnection = pymysql.connect(host='127.0.0.1', user='shop',\n"
            "    port=int(os.environ['DB_PORT']), password='hunter22secret', database='shop', read_timeout=2)\n"
            f"{FLASK}@app.get('/orders')\ndef orders():\n    with connection.cursor() as cursor:\n"
            "        cursor.execute(\"SELECT seq, REPEAT('x', 200) FROM seq_1_to_2000\")\n"
            "        return str(len(cursor.fetchall()))\n"
        ),
        args=("app:app", "--preload", "-w", "4", *ACCESS),
        needs="mariadb",
        acts=("wait Booting worker", "sleep 1.5", "storm /orders", "storm /orders", "signal TERM"),
        seconds=14,
        by="four workers read each other's packets",
    ),
    "db-forked-connection/sqlalchemy-pool": Scenario(
        app(
            SQLALCHEMY + 'engine = create_engine(f"postgresql+psycopg2://shop:hunter22secret@127.0.0.1:'
            "{os.environ['DB_PORT']}/shop\")\nwith engine.connect() as connection:\n"
            f"    connection.execute(text('SELECT 1'))\n{FLASK}@app.get('/orders')\ndef orders():\n"
            "    with engine.connect() as connection:\n"
            "        return str(connection.execute(text('SELECT pg_sleep(0.05), 1')).all())\n"
        ),
        args=("app:app", "--preload", "-w", "3", "-k", "gthread", "--threads", "2", *ACCESS),
        needs="postgres",
        acts=("wait Booting worker", "sleep 1.5", "storm /orders", "storm /orders", "signal TERM"),
        seconds=10,
        by="the pool of the preloaded app is inherited with a connection in it",
    ),
}
