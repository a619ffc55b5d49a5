"""An eighth set, of what is met most often: other services, races, timeouts and stops, and what is healthy."""

from __future__ import annotations

from scenarios_eighth_app import SITE, SQLALCHEMY, UVICORN, django
from scene import ACCESS, FLASK, HELLO, SERVE, Scenario, app

GONE = "DATABASES = {{'default': {{'ENGINE': 'django.db.backends.{0}', 'NAME': 'shop', 'USER': 'shop',\n{1}}}}}\n"
CHECK_IN_READY = (
    "from django.apps import AppConfig\n\n\nclass BlogConfig(AppConfig):\n    name = 'blog'\n\n    def ready(self):\n"
    "        from django.db import connection\n\n        connection.ensure_connection()\n"
)
DROP = (
    "$PYTHON -c \"import os, psycopg2; c = psycopg2.connect(host='127.0.0.1', port=os.environ['DB_PORT'], user='shop',"
    " password='hunter22secret', dbname='shop'); c.autocommit = True;"
    " c.cursor().execute('DROP TABLE IF EXISTS customers')\""
)
MODELS = (
    "import time\n\nfrom sqlalchemy import Column, Integer, String, event\n"
    "from sqlalchemy.orm import declarative_base\n\n"
    "Base = declarative_base()\n\n\nclass Customer(Base):\n    __tablename__ = 'customers'\n"
    "    id = Column(Integer, primary_key=True)\n    name = Column(String(80))\n\n\n"
    "event.listen(Customer.__table__, 'before_create', lambda *_, **__: time.sleep(0.5))\n"
    "time.sleep(2 - time.time() % 2)\n"
)
"""Workers that start in the same moment do the same things in the same moment, and the database is not near."""
SOON = ("--timeout", "3")
SLOW = f"import time\n{FLASK}@app.get('/report')\ndef report():\n    time.sleep(30)\n    return 'done'\n"
PROBES = (
    "{gunicorn} --bind 127.0.0.1:{port} --access-logfile - -w 2 app:app & web=$!; sleep 2; for n in 1 2 3; do "
    "curl -s -o /dev/null -A kube-probe/1.29 http://127.0.0.1:{port}/healthz; sleep 1; done; kill -TERM $web; wait $web"
)
CALM = (*SERVE, "signal TERM")

SCENARIOS: dict[str, Scenario] = {
    "db-unreachable/postgres-refused": Scenario(
        django(
            GONE.format("postgresql", "    'PASSWORD': 'x', 'HOST': '127.0.0.1', 'PORT': 5433"),
            blog__apps=CHECK_IN_READY,
        ),
        args=(*SITE, "-w", "2"),
        by="PostgreSQL does not listen yet",
    ),
    "db-unreachable/compose-name": Scenario(
        app(
            SQLALCHEMY + "engine = create_engine('postgresql+psycopg2://shop:secret@db.internal.invalid:5432/shop')\n"
            f"with engine.connect() as connection:\n    connection.execute(text('SELECT 1'))\n{FLASK}"
        ),
        args=("app:app", "--preload"),
        by="the database's name is that of another network",
    ),
    "db-unreachable/mysql-while-serving": Scenario(
        app(
            f"import pymysql\n{FLASK}@app.get('/orders')\ndef orders():\n"
            "    with pymysql.connect(host='127.0.0.1', port=3307, user='shop', password='x', database='shop') as db:\n"
            "        return str(db.cursor().execute('SELECT 1'))\n"
        ),
        args=("app:app", "-w", "2", *ACCESS),
        acts=(*SERVE, "get /orders", "get /orders", "signal TERM"),
        seconds=8,
        by="MySQL is down while the app serves",
    ),
    "backend-unavailable/redis-boot": Scenario(
        app(f"import redis\n{FLASK}cache = redis.Redis(host='127.0.0.1', port=6390)\ncache.ping()\n"),
        args=("app:app", "-w", "2"),
        by="the app pings Redis while it is loaded, and nobody listens",
    ),
    "backend-unavailable/config-service": Scenario(
        app(
            "from contextlib import asynccontextmanager\n\nimport httpx\nfrom fastapi import FastAPI\n\n\n"
            "@asynccontextmanager\nasync def lifespan(app):\n    async with httpx.AsyncClient() as client:\n"
            "        answer = await client.get('http://auth.internal.invalid/.well-known/jwks.json')\n"
            "        app.state.keys = answer.json()\n    yield\n\n\napp = FastAPI(lifespan=lifespan)\n"
        ),
        args=("app:app", *UVICORN),
        acts=("wait Booting worker", "sleep 2"),
        seconds=5,
        by="the service that hands out keys is not found at start",
    ),
    "backend-unavailable/celery-broker": Scenario(
        app(
            f"from celery import Celery\n{FLASK}queue = Celery(broker='amqp://guest@127.0.0.1:5679//')\n"
            "queue.conf.broker_connection_max_retries = 0\n\n\n@queue.task\ndef bill():\n    pass\n\n\n"
            "@app.get('/bill')\ndef start():\n    bill.apply_async(retry=False)\n    return 'queued'\n"
        ),
        args=("app:app", "-k", "gthread", "--threads", "2", *ACCESS),
        acts=(*SERVE, "get /bill", "get /bill", "signal TERM"),
        seconds=8,
        by="the broker of the tasks does not listen",
    ),
    "app-startup-race/postgres-create-all": Scenario(
        app(
            f'{SQLALCHEMY}from models import Base\n{FLASK}engine = create_engine(f"postgresql+psycopg2://shop:'
            "hunter22secret@127.0.0.1:{os.environ['DB_PORT']}/shop\")\nBase.metadata.create_all(engine)\n",
            models=MODELS,
        ),
        args=("app:app", "-w", "4"),
        needs="postgres",
        prepare=(DROP,),
        acts=("wait Booting worker", "sleep 3"),
        seconds=6,
        by="four workers make the same tables",
    ),
    "app-startup-race/sqlite-create-all": Scenario(
        app(
            f"{SQLALCHEMY}from models import Base\n{FLASK}engine = create_engine('sqlite:///shop.db')\n"
            "Base.metadata.create_all(engine)\n",
            models=MODELS,
        ),
        args=("app:app", "-w", "3", "-k", "gthread"),
        acts=("wait Booting worker", "sleep 3"),
        seconds=6,
        by="four workers make the same tables in one file",
    ),
    "app-exception/outside-context": Scenario(
        app(
            "from flask import Flask, current_app\n\napp = Flask(__name__)\napp.config['PAGE'] = 20\n"
            "PAGE = current_app.config['PAGE']\n"
        ),
        args=("app:app", "-w", "2"),
        by="current_app is asked while the module is loaded",
    ),
    "app-exception/endpoint-twice": Scenario(
        app(
            f"{FLASK}@app.get('/users')\ndef users():\n    return []\n\n\n"
            "@app.get('/people')\ndef users():\n    return []\n"
        ),
        args=("app:app", "-k", "gevent"),
        by="two views have one name",
    ),
    "app-exception/apps-not-loaded": Scenario(
        django(
            mysite__wsgi="import os\n\nfrom django.contrib.auth.models import User\n"
            "from django.core.wsgi import get_wsgi_application\n\n"
            "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n"
            "application = get_wsgi_application()\n"
        ),
        args=SITE,
        environ={"DJANGO_SETTINGS_MODULE": "mysite.settings"},
        by="a model is imported before Django is set up",
    ),
    "boot-timeout/model": Scenario(
        app(
            "import time\n\nprint('Loading model /models/ranker-v3.bin ...', flush=True)\ntime.sleep(20)\n"
            f"print('Model loaded', flush=True)\n{FLASK}"
        ),
        args=("app:app", *SOON, "-w", "1", *ACCESS),
        acts=("wait Booting worker", "sleep 8.5"),
        seconds=10,
        only=("20.1.0",),
        by="the model takes longer than the timeout",
    ),
    "boot-timeout/lifespan": Scenario(
        app(
            "import time\nfrom contextlib import asynccontextmanager\n\nfrom fastapi import FastAPI\n\n\n"
            "@asynccontextmanager\nasync def lifespan(app):\n    time.sleep(20)\n    yield\n\n\n"
            "app = FastAPI(lifespan=lifespan)\n"
        ),
        args=("app:app", *UVICORN, *SOON),
        acts=("wait Booting worker", "sleep 8.5"),
        seconds=10,
        only=("20.1.0",),
        by="what FastAPI does at start-up takes longer than the timeout",
    ),
    "boot-timeout/index": Scenario(
        django(
            blog__apps="import logging\nimport time\n\nfrom django.apps import AppConfig\n\n\n"
            "class BlogConfig(AppConfig):\n    name = 'blog'\n\n    def ready(self):\n"
            "        logging.warning('Rebuilding search index (48210 documents)')\n        time.sleep(20)\n"
        ),
        args=(*SITE, *SOON, "-w", "2", "-k", "gthread"),
        acts=("wait Booting worker", "sleep 8.5"),
        seconds=10,
        only=("20.1.0",),
        by="an index is built by every worker that starts",
    ),
    "request-timeout/report": Scenario(
        app(SLOW),
        args=("app:app", *SOON, *ACCESS),
        acts=(*SERVE, "start /report", "sleep 6", "get /", "signal TERM"),
        seconds=12,
        by="a report takes longer than the timeout",
    ),
    "request-timeout/django-loop": Scenario(
        django(
            blog__views="from django.http import HttpResponse\n\n\ndef index(request):\n"
            "    return HttpResponse(str(sum(n * n for n in range(10**10))))\n"
        ),
        args=(*SITE, *SOON, *ACCESS),
        acts=("wait Booting worker", "sleep 1.5", "start /", "sleep 6", "signal TERM"),
        seconds=12,
        only=("23.0.0", "27.0.1"),
        by="a view computes for longer than the timeout",
    ),
    "request-timeout/gevent-hog": Scenario(
        app(f"{FLASK}@app.get('/hash')\ndef hash_all():\n    return str(sum(n * n for n in range(10**10)))\n"),
        args=("app:app", "-k", "gevent", *SOON, *ACCESS),
        acts=(*SERVE, "start /hash", "sleep 6", "get /", "signal TERM"),
        seconds=12,
        by="a computation lets no other greenlet run, the worker's own neither",
    ),
    "external-stop/liveness-path": Scenario(
        app(FLASK),
        command=("sh", "-c", PROBES),
        by="the kubelet's probe asks for a path that the app has not, and the container is stopped",
    ),
    "external-stop/httpok": Scenario(
        {
            **app(f"import time\n{FLASK}@app.get('/health')\ndef health():\n    time.sleep(5)\n    return 'ok'\n"),
            "supervisord.conf": "[supervisord]\nnodaemon=true\nuser=root\nlogfile=/dev/null\nlogfile_maxbytes=0\n"
            "pidfile=super.pid\n\n[unix_http_server]\nfile=super.sock\n\n"
            "[supervisorctl]\nserverurl=unix://super.sock\n\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n\n"
            "[program:web]\ncommand=%(ENV_GUNICORN)s -b 127.0.0.1:@PORT@ --access-logfile - app:app\n"
            "stdout_logfile=/dev/fd/1\nstdout_logfile_maxbytes=0\nredirect_stderr=true\n\n[eventlistener:httpok]\n"
            "command=%(ENV_BIN)s/httpok -p web -t 2 http://127.0.0.1:@PORT@/health\nevents=TICK_5\n"
            "stderr_logfile=/dev/fd/1\nstderr_logfile_maxbytes=0\n",
        },
        command=("{bin}/supervisord", "-c", "supervisord.conf"),
        acts=("wait restart", "sleep 6"),
        seconds=22,
        by="a probe of supervisord's gives an answer two seconds, and restarts the server",
    ),
    "external-stop/procfile-neighbour": Scenario(
        {
            **app(FLASK),
            "Procfile": "web: gunicorn -b 127.0.0.1:@PORT@ -w 2 app:app\n"
            "worker: sleep 3; echo 'queue empty, 41 jobs done'\n",
        },
        command=("{bin}/honcho", "start"),
        seconds=10,
        by="another process of the Procfile ends, and honcho stops the web server with it",
    ),
    "shutdown-timeout/downloads": Scenario(
        app(SLOW),
        args=("app:app", "-w", "16", "--graceful-timeout", "2", *ACCESS),
        acts=(*SERVE, *("start /report",) * 16, "sleep 1", "signal TERM"),
        seconds=10,
        by="no worker's request is done within the graceful timeout",
    ),
    "shutdown-timeout/threads": Scenario(
        app(SLOW),
        args=("app:app", "-k", "gthread", "--threads", "2", "-w", "12", "--graceful-timeout", "2", *ACCESS),
        acts=(*SERVE, *("start /report",) * 24, "sleep 1", "signal TERM"),
        seconds=12,
        by="the threads are busy for longer than the graceful timeout",
    ),
    "shutdown-timeout/consumer-thread": Scenario(
        app(
            "import threading\nimport time\n\n\ndef consume():\n    while True:\n        time.sleep(1)\n\n\n"
            f"threading.Thread(target=consume).start()\n{FLASK}"
        ),
        args=("app:app", "-w", "16", "--graceful-timeout", "2", *ACCESS),
        acts=(*SERVE, "signal TERM"),
        seconds=10,
        by="a thread that is no daemon keeps the workers from their end",
    ),
    "none/max-requests": Scenario(
        app(FLASK),
        args=("app:app", "--max-requests", "3", "-w", "2", *ACCESS),
        acts=(*SERVE, *("get /",) * 6, "sleep 1.5", "signal TERM"),
        by="workers are recycled after three requests",
    ),
    "none/uvicorn-day": Scenario(
        app("from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get('/')\nasync def index():\n    return {}\n"),
        args=("app:app", *UVICORN, "-w", "2", *ACCESS),
        acts=("wait startup complete", "sleep 1", "get /", "get /docs", "get /nothing", "signal TERM"),
        by="FastAPI boots, serves, answers 404, and stops",
    ),
    "none/view-raises": Scenario(
        app(f"{FLASK}@app.get('/cart')\ndef cart():\n    return {{}}['total']\n"),
        args=("app:app", "-w", "2", *ACCESS),
        acts=(*SERVE, "get /cart", "get /", "signal TERM"),
        by="one view has a bug: a traceback, a 500, and it serves on",
    ),
    "none/wrong-protocol": Scenario(
        app(HELLO),
        args=("app:app", "-k", "gthread", "--threads", "4", *ACCESS),
        acts=(*SERVE, "tls", "get /", "signal TERM"),
        only=("27.0.1",),
        by="a scanner speaks TLS to a plain port",
    ),
    "none/django-scanners": Scenario(
        django("LOGGING_CONFIG = 'logging.config.dictConfig'\n"),
        args=(*SITE, "-w", "3", *ACCESS),
        acts=(*SERVE, "get /.env", "get /wp-login.php", "signal TERM"),
        by="scanners ask for what is not there",
    ),
    "none/gevent-debug": Scenario(
        app(FLASK),
        args=("app:app", "-k", "gevent", "-w", "2", "--log-level", "debug", *ACCESS),
        acts=CALM,
        by="the settings and more, told at level debug",
    ),
    "none/scaled": Scenario(
        app(HELLO),
        args=("app:app", *ACCESS),
        acts=(
            *SERVE,
            "signal TTIN",
            "sleep 1",
            "signal TTIN",
            "sleep 1",
            "signal TTOU",
            "sleep 1",
            "get /",
            "signal INT",
        ),
        by="two workers more, one fewer, and an end by the keyboard",
    ),
    "none/binary-upgrade": Scenario(
        app(HELLO),
        args=("app:app", "-w", "2", "--pid", "web.pid", *ACCESS),
        acts=(*SERVE, "signal USR2", "sleep 3", "signal QUIT", "sleep 1", "get /", "leave"),
        by="a new master takes over from the old one",
    ),
    "none/deprecations": Scenario(
        app(
            "import logging\nimport warnings\n\nlogging.basicConfig(level=logging.INFO)\n"
            "warnings.warn('shop.legacy is deprecated', DeprecationWarning, stacklevel=1)\n"
            "logging.error('could not load optional plugin geoip: database file not found, feature disabled')\n"
            f"logging.info('feature flags refreshed')\n{FLASK}"
        ),
        args=("app:app", "-w", "2", "--preload", *ACCESS),
        acts=CALM,
        environ={"PYTHONWARNINGS": "always::DeprecationWarning"},
        by="an app that warns of much, and serves",
    ),
    "none/client-gone": Scenario(
        app(
            f"import logging\nimport time\n\nlogging.basicConfig(level=logging.INFO)\n{FLASK}"
            "@app.get('/export')\ndef export():\n    logging.info('export of 1200 rows')\n    time.sleep(0.5)\n"
            "    return 'a,b\\n' * 1200\n"
        ),
        args=("app:app", "-w", "2", "-k", "gthread", "--threads", "2", *ACCESS),
        acts=(*SERVE, "connect", "storm /export", "sleep 2", "signal TERM"),
        only=("23.0.0", "27.0.1"),
        by="many clients at once, and one that connects and says nothing",
    ),
}
