"""The sixth set: databases, other services, ends from outside, and servers that are well."""

from __future__ import annotations

from scenarios_fourth import ASGI, LIFESPAN, UVICORN, scripted
from scenarios_launch import SUPERVISED, supervised
from scenarios_third_app import LOADED, SETTINGS, django
from scene import ACCESS, FLASK, HELLO, SERVE, Scenario, app

_URL = "f\"{}://shop:{}@127.0.0.1:{{os.environ['DB_PORT']}}/{}\""
_PSYCOPG = f"import os\n\nimport psycopg\n\nURL = {_URL.format('postgresql', 'hunter22secret', 'shop')}\n"
_MYSQL = "host='127.0.0.1', port=int(os.environ['DB_PORT']), user='shop', password='hunter22secret', {}='{}'"
_STORM = ("wait Booting worker", "sleep 2", "storm /orders", "sleep 1", "signal TERM")
_TABLES = (
    "import os\n\nDATABASES = {{'default': {{'ENGINE': 'django.db.backends.{}', 'HOST': '127.0.0.1', 'PORT': "
    "os.environ['DB_PORT'],\n"
    "    'NAME': '{}', 'USER': 'shop', 'PASSWORD': 'hunter22secret'}}}}\n"
)
_AIOHTTP = (
    "import os\n\nfrom aiohttp import web\n\nimport {}\n\n\nasync def start(app):\n    {}\n\n\n"
    "app = web.Application()\napp.on_startup.append(start)\n"
)
_PROXY = (
    "defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 20s\n  timeout server 20s\nlisten database\n"
    "  bind 127.0.0.1:15432\n  server pg 127.0.0.1:DBPORT\n"
)
_MONIT = """\
set daemon 2
set idfile @ROOT@/id
check process web with pidfile @ROOT@/web.pid
  start program = "/bin/sh -c 'cd @ROOT@ && gunicorn --config conf.py app:app'" with timeout 2 seconds
  stop program = "/bin/sh -c 'kill -TERM $(cat @ROOT@/web.pid)'"
  if total memory > 20 MB for 2 cycles then restart
"""
_JOBS = (
    "import logging\n\nfrom apscheduler.schedulers.background import BackgroundScheduler\n\nlogging.basicConfig()\n"
    "failures = ['connection reset', 'timed out']\n\n\ndef sync():\n    if failures:\n"
    "        raise ConnectionError(f'price feed: {failures.pop()}')\n"
    "    print('price feed: up to date', flush=True)\n\n\n"
    "jobs = BackgroundScheduler()\njobs.add_job(sync, 'interval', seconds=1)\njobs.start()\n"
)

SCENARIOS: dict[str, Scenario] = {
    "db-auth-failed/staging": Scenario(
        app(
            _AIOHTTP.format(
                "asyncpg",
                f"app['db'] = await asyncpg.connect({_URL.format('postgresql', 'hunter22secret', 'staging')})",
            )
        ),
        ("-k", "aiohttp.GunicornWebWorker", "-w", "2", "app:app"),
        needs="postgres",
        by="PostgreSQL has no database of that name, in a start-up handler of aiohttp",
    ),
    "db-auth-failed/rotated": Scenario(
        {
            **scripted(
                "gunicorn -w 2 --bind 127.0.0.1:$PORT --access-logfile - app:app &\nsleep 4\n"
                "echo 'vault-agent: rendered secret/password'\necho n3w-s3cret > secret/password\nkill -HUP $!\n"
                "wait $!\n",
                "import os\n\nfrom sqlalchemy import create_engine\n\n"
                "PASSWORD = open('secret/password').read().strip()\n"
                f"create_engine({_URL.format('postgresql+psycopg', '{PASSWORD}', 'shop')}).connect().close()\n" + HELLO,
            ),
            "secret/password": "hunter22secret\n",
        },
        command=("sh", "start.sh"),
        acts=(*SERVE,),
        needs="postgres",
        seconds=15,
        by="the password was rotated here and not in PostgreSQL, and a reload takes the new one",
    ),
    "db-too-many-connections/scaled": Scenario(
        app(
            "import os\n\nfrom sqlalchemy import create_engine\n\n"
            f"engine = create_engine({_URL.format('postgresql+psycopg2', 'hunter22secret', 'shop')}, pool_size=4)\n"
            "pool = [engine.connect() for _ in range(4)]\n" + HELLO
        ),
        ("-w", "2", *ACCESS, "app:app"),
        (*SERVE, "signal TTIN", "sleep 2", "signal TTIN", "sleep 3", "leave"),
        needs="postgres",
        by="two workers fit into twelve connections, and those that are added by TTIN do not",
    ),
    "db-too-many-connections/aiomysql": Scenario(
        app(
            LIFESPAN.format(
                "import os\n\nimport aiomysql",
                f"app.state.pool = await aiomysql.create_pool(minsize=6, maxsize=6, {_MYSQL.format('db', 'shop')})",
            )
        ),
        (*UVICORN, "-w", "3", "app:app"),
        ("wait Booting worker", "sleep 3", "leave"),
        only=ASGI,
        needs="mariadb",
        by="three workers of an ASGI app with pools of six against ten, aiomysql",
    ),
    "db-schema-missing/sites": Scenario(
        django(
            SETTINGS.replace("[]", "['django.contrib.sites']") + "SITE_ID = 1\n" + _TABLES.format("postgresql", "shop"),
            LOADED + "\nfrom django.contrib.sites.models import Site\n\nDOMAIN = Site.objects.get_current().domain\n",
        ),
        ("-k", "gevent", "-w", "2", "app:application"),
        needs="postgres",
        by="Django's table of sites before `migrate`, in gevent's worker",
    ),
    "db-schema-missing/release": Scenario(
        {
            **scripted(
                "gunicorn -w 2 --bind 127.0.0.1:$PORT --access-logfile - app:app &\nsleep 4\n"
                "echo 'deploy: release 43'\n"
                "echo 'select percent from discounts' > query.sql\nkill -HUP $!\nwait $!\n",
                _PSYCOPG
                + "with psycopg.connect(URL) as connection:\n    connection.execute(open('query.sql').read())\n"
                + HELLO,
            ),
            "query.sql": "select 1",
        },
        command=("sh", "start.sh"),
        acts=(*SERVE,),
        needs="postgres",
        seconds=15,
        by="a release needs a new table, and is loaded by a reload before its migration",
    ),
    "db-forked-connection/mysqlclient": Scenario(
        app(
            f"import os\n\nimport MySQLdb\n{FLASK}"
            f"connection = MySQLdb.connect({_MYSQL.format('database', 'shop')}, read_timeout=3)\n"
            "print('MariaDB: connection', connection.thread_id(), 'of process', os.getpid(), flush=True)\n\n\n"
            "@app.get('/orders')\ndef orders():\n    cursor = connection.cursor()\n"
            "    print('process', os.getpid(), 'asks connection', connection.thread_id(), flush=True)\n"
            "    cursor.execute('select seq from seq_1_to_20000')\n    return str(len(cursor.fetchall()))\n"
        ),
        ("--preload", "-w", "4", "--timeout", "8", *ACCESS, "app:app"),
        _STORM,
        seconds=40,
        needs="mariadb",
        by="--preload opens the connection, four workers use it at once, mysqlclient",
    ),
    "db-forked-connection/hook": Scenario(
        {
            **app(
                f"from model import database\n{FLASK}@app.get('/orders')\ndef orders():\n"
                "    return str(len(database.execute_sql('select generate_series(1, 20000)').fetchall()))\n",
                model="import os\n\nfrom peewee import PostgresqlDatabase\n\n"
                "database = PostgresqlDatabase('shop', user='shop',\n"
                "    password='hunter22secret', host='127.0.0.1', port=int(os.environ['DB_PORT']))\n",
            ),
            "gunicorn.conf.py": "workers = 4\ntimeout = 8\naccesslog = '-'\n\n\ndef when_ready(server):\n"
            "    from model import database\n\n"
            "    database.connect()\n    server.log.info('database: connected')\n",
        },
        acts=_STORM,
        seconds=40,
        needs="postgres",
        by="a hook of the master opens the connection, four workers use it at once, peewee",
    ),
    "db-unreachable/sql-server": Scenario(
        app(
            "import pytds\n\nconnection = pytds.connect('127.0.0.1', 'shop', 'sa', 'x', port=1433, login_timeout=3)\n"
            + HELLO
        ),
        ("-w", "2", "app:app"),
        by="SQL Server's port is closed",
    ),
    "db-unreachable/clickhouse": Scenario(
        app(
            "import clickhouse_connect\n\nevents = clickhouse_connect.get_client(host='127.0.0.1', port=8123)\n" + HELLO
        ),
        ("--preload", "app:app"),
        by="ClickHouse's port is closed",
    ),
    "db-unreachable/neo4j": Scenario(
        app(
            LIFESPAN.format(
                "from neo4j import AsyncGraphDatabase",
                "app.state.graph = AsyncGraphDatabase.driver('bolt://127.0.0.1:7687', auth=('neo4j', 'x'))\n"
                "    await app.state.graph.verify_connectivity()",
            )
        ),
        (*UVICORN, "-w", "2", "app:app"),
        only=ASGI,
        by="Neo4j's port is closed, in the lifespan of an ASGI app",
    ),
    "db-unreachable/gone": Scenario(
        {
            **scripted(
                "sed -i s/DBPORT/$DB_PORT/ proxy.cfg; haproxy -f proxy.cfg -db &\nproxy=$!\nsleep 1\n"
                "gunicorn -w 2 --max-requests 3 --access-logfile - --bind 127.0.0.1:$PORT app:app &\nsleep 4\n"
                "kill $proxy\nwait\n",
                "import psycopg2\n\n"
                "connection = psycopg2.connect('postgresql://shop:hunter22secret@127.0.0.1:15432/shop')\n" + HELLO,
            ),
            "proxy.cfg": _PROXY,
        },
        command=("sh", "start.sh"),
        acts=("wait Booting worker", "sleep 4", *["get /"] * 10, "sleep 3", "leave"),
        needs="postgres",
        seconds=20,
        by="the pooler before PostgreSQL goes away while the server runs, and recycled workers do not reach it",
    ),
    "backend-unavailable/vault": Scenario(
        app(
            "import hvac\n\nvault = hvac.Client(url='http://127.0.0.1:8200', token='x', timeout=3)\n"
            "SECRETS = vault.secrets.kv.v2.read_secret_version(path='shop')['data']\n" + HELLO
        ),
        ("--preload", "app:app"),
        by="Vault refuses",
    ),
    "backend-unavailable/memcached": Scenario(
        app(
            "from pymemcache.client.base import Client\n\ncache = Client(('127.0.0.1', 11211))\ncache.set('boot', 1)\n"
            + HELLO
        ),
        ("-k", "gevent", "-w", "2", "app:app"),
        by="Memcached refuses",
    ),
    "backend-unavailable/nats": Scenario(
        app(
            LIFESPAN.format(
                "import nats",
                "app.state.bus = await nats.connect('nats://127.0.0.1:4222', max_reconnect_attempts=2, "
                "reconnect_time_wait=0.3)",
            )
        ),
        (*UVICORN, "-w", "2", "app:app"),
        only=ASGI,
        by="NATS refuses, in the lifespan of an ASGI app",
    ),
    "backend-unavailable/grpc": Scenario(
        app(
            "import grpc\n\nchannel = grpc.insecure_channel('127.0.0.1:50051')\n"
            "CATALOG = channel.unary_unary('/shop.Catalog/List')(b'', timeout=3)\n" + HELLO
        ),
        ("-w", "2", "app:app"),
        by="a service that speaks gRPC refuses",
    ),
    "backend-unavailable/redis-acl": Scenario(
        app(
            "import os\n\nimport redis\n\ncache = redis.Redis(port=int(os.environ['DB_PORT']), username='reader', "
            "password='x')\n"
            "cache.set('shop:boot', 1)\n" + HELLO
        ),
        ("-w", "2", "app:app"),
        prepare=(
            "$PYTHON -c \"import os, redis; redis.Redis(port=int(os.environ['DB_PORT'])).execute_command("
            "'ACL', 'SETUSER', 'reader', 'on', '>x', '~shop:*', '+get', '+client', '+hello')\"",
        ),
        needs="redis",
        by="the user of Redis may read only, and the app writes",
    ),
    "external-stop/monit-memory": Scenario(
        {
            **app(HELLO),
            "conf.py": "bind = '127.0.0.1:@PORT@'\nworkers = 2\npidfile = 'web.pid'\naccesslog = '-'\n",
            "monitrc": _MONIT,
            "start.sh": 'sed -i "s|@ROOT@|$ROOT|" monitrc; chmod 600 monitrc\ngunicorn --config conf.py app:app &\n'
            "sleep 2\nexec monit -I -c $ROOT/monitrc -s $ROOT/state -p $ROOT/monit.pid\n",
        },
        command=("sh", "start.sh"),
        acts=("wait Booting worker", "sleep 3", "get /", "get /", "sleep 9", "leave"),
        seconds=20,
        by="monit finds that a server that serves takes too much memory, and restarts it",
    ),
    "shutdown-timeout/worker-exit": Scenario(
        {
            **app(HELLO),
            "gunicorn.conf.py": "import time\n\nworkers = 2\ngraceful_timeout = 4\naccesslog = '-'\n\n\n"
            "def worker_exit(server, worker):\n    for attempt in range(1, 31):\n"
            "        worker.log.info('leaving the service registry, try %d of 30', attempt)\n        time.sleep(1)\n",
        },
        acts=(*SERVE, "signal TERM"),
        seconds=20,
        by="a hook for the end of each worker outlasts the grace period",
    ),
    "shutdown-timeout/loading": Scenario(
        app(
            "import time\n\nfor shard in range(1, 41):\n    print(f'loading shard {shard} of 40', flush=True)\n"
            "    time.sleep(1)\n" + HELLO
        ),
        ("--graceful-timeout", "3", "--timeout", "90", "app:app"),
        ("wait Booting worker", "sleep 4", "signal TERM"),
        seconds=20,
        by="a stop is ordered while the worker still loads its data, for longer than the grace period",
    ),
    "shutdown-timeout/drain": Scenario(
        app(
            "import asyncio\nfrom contextlib import asynccontextmanager\n\nfrom fastapi import FastAPI\n\n\n"
            "@asynccontextmanager\n"
            "async def lifespan(app):\n    yield\n    print('draining the outbox', flush=True)\n"
            "    await asyncio.sleep(60)\n\n\n"
            "app = FastAPI(lifespan=lifespan)\n\n\n@app.get('/')\nasync def index():\n    return 'fine'\n"
        ),
        (*UVICORN, "-w", "2", "--graceful-timeout", "3", *ACCESS, "app:app"),
        ("wait startup complete", "sleep 1.5", "get /", "signal TERM"),
        seconds=20,
        only=ASGI,
        by="the end of an ASGI app's lifespan outlasts the grace period",
    ),
    "none/port-freed": Scenario(
        scripted(
            "(python -m http.server $PORT >/dev/null 2>&1 &\nsleep 4; kill $!) &\nsleep 1.5\n"
            "exec gunicorn -w 2 --bind 127.0.0.1:$PORT --access-logfile - app:app\n"
        ),
        command=("sh", "start.sh"),
        acts=(*SERVE, "get /", "signal TERM"),
        seconds=15,
        by="the port is still held when it starts, is freed, and it serves",
    ),
    "none/stack-dump": Scenario(
        app(
            "import faulthandler\nimport threading\nimport time\n\nfaulthandler.dump_traceback_later(2, exit=False)\n"
            "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n" + HELLO
        ),
        ("-k", "gthread", "--threads", "2", *ACCESS, "app:app"),
        (*SERVE, "sleep 1.5", "get /", "signal TERM"),
        by="a watchdog of the app prints every thread's stack once, and everything goes on",
    ),
    "none/static-missing": Scenario(
        django(
            SETTINGS + "ALLOWED_HOSTS = ['*']\nSTATIC_URL = 'static/'\nSTATIC_ROOT = 'staticfiles'\n"
            "MIDDLEWARE = ['whitenoise.middleware.WhiteNoiseMiddleware']\n",
            LOADED + "from django.core.management import call_command\n\ncall_command('check', deploy=True)\n",
        ),
        ("-w", "2", *ACCESS, "app:application"),
        (*SERVE, "get /static/app.css", "signal HUP", "sleep 2", "get /", "signal TERM"),
        by="WhiteNoise misses its folder and Django warns of its settings, and both serve",
    ),
    "none/worker-ended": Scenario(
        app(HELLO),
        ("-w", "2", "-k", "gevent", *ACCESS, "app:app"),
        (*SERVE, "kill-worker TERM", "sleep 2", "get /", "get /", "signal TERM"),
        by="somebody ends one worker in good order, and it is replaced",
    ),
    "none/uvicorn-recycle": Scenario(
        app(LIFESPAN.format("", "print('cache is cold', flush=True)")),
        (*UVICORN, "-w", "2", "--max-requests", "2", *ACCESS, "app:app"),
        ("wait startup complete", "sleep 1.5", *["get /"] * 7, "sleep 3", "get /", "signal TERM"),
        only=ASGI,
        by="uvicorn's workers reach their limit of requests, say that they terminate, and are replaced",
    ),
    "none/thread-exception": Scenario(
        app(
            "import threading\n\nimport requests\n\n\ndef report():\n"
            "    requests.post('http://127.0.0.1:9/v1/usage', timeout=1)\n\n\n"
            "threading.Thread(target=report, name='usage-statistics', daemon=True).start()\n" + HELLO
        ),
        ("-w", "2", *ACCESS, "app:app"),
        (*SERVE, "get /", "signal TERM"),
        by="a thread that reports usage dies of a refused connection, and the app serves",
    ),
    "none/job-errors": Scenario(
        app(_JOBS + HELLO),
        ("-w", "1", *ACCESS, "app:app"),
        (*SERVE, "sleep 2.5", "get /", "signal TERM"),
        by="a job in the background fails twice before it succeeds, while requests are served",
    ),
    "none/database-late": Scenario(
        {
            **scripted(
                "sed -i s/DBPORT/$DB_PORT/ proxy.cfg\n(sleep 3; exec haproxy -f proxy.cfg -db) &\n"
                "exec gunicorn -w 2 --access-logfile - --bind 127.0.0.1:$PORT app:app\n",
                "import logging\nimport time\n\nimport psycopg2\n\nlogging.basicConfig()\nwhile True:\n    try:\n"
                "        db = psycopg2.connect('postgresql://shop:hunter22secret@127.0.0.1:15433/shop')\n"
                "        break\n"
                "    except psycopg2.OperationalError:\n        logging.exception('no database yet')\n"
                "        time.sleep(1)\n" + HELLO,
            ),
            "proxy.cfg": _PROXY.replace("15432", "15433"),
        },
        command=("sh", "start.sh"),
        acts=("wait Booting worker", "sleep 6", "get /", "get /", "signal TERM"),
        needs="postgres",
        seconds=16,
        by="the database comes three seconds late, with a traceback for each try, and then all is well",
    ),
    "none/two-servers": Scenario(
        supervised(
            "command=gunicorn -w 2 --bind 127.0.0.1:@PORT@ --access-logfile - app:app\n[program:admin]\n"
            "command=gunicorn --bind 127.0.0.1:0 app:app\nredirect_stderr=true\nstdout_logfile=/dev/fd/1\n"
            "stdout_logfile_maxbytes=0\n"
        ),
        command=SUPERVISED,
        acts=("wait RUNNING", "sleep 2", "get /", "get /", "signal TERM"),
        seconds=20,
        by="supervisord runs two servers on two ports, and stops both",
    ),
}
