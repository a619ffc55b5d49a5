"""A seventh set, a running server: requests and stops that last too long, ends from outside, servers that are well."""

from __future__ import annotations

from scenarios_fourth import ASGI, LIFESPAN, UVICORN, scripted
from scenarios_seventh import AS_NOBODY, FALCON, QUART
from scene import ACCESS, FLASK, HELLO, SERVE, Scenario, app

_DEBUG = ("--log-level", "debug")
_LOGGED = "import logging\n\nlogging.basicConfig(format='%(asctime)s %(levelname)s %(name)s: %(message)s')\n"

SCENARIOS: dict[str, Scenario] = {
    "request-timeout/subprocess": Scenario(
        {
            **app(
                FALCON.format(
                    "import subprocess\n",
                    "response.data = subprocess.check_output(['sh', 'render.sh', 'invoice.html'])",
                )
            ),
            "render.sh": "sleep 60\n",
        },
        ("-w", "2", "--timeout", "3", *ACCESS, "app:app"),
        (*SERVE, "start /orders", "wait TIMEOUT", "sleep 2", "get /", "signal TERM"),
        seconds=15,
        by="a request waits for a program that makes a document",
    ),
    "request-timeout/dead-thread": Scenario(
        app(
            "import queue\nimport threading\n\nimport bottle\n\norders, receipts = queue.Queue(), queue.Queue()\n\n\n"
            "def book():\n    while True:\n        receipts.put(int(orders.get()['quantity']))\n\n\n"
            "threading.Thread(target=book, name='booking', daemon=True).start()\n"
            "app = bottle.default_app()\n\n\n@bottle.route('/')\ndef index():\n    return 'fine'\n\n\n"
            "@bottle.route('/order')\ndef order():\n    orders.put(dict(bottle.request.query))\n"
            "    return str(receipts.get())\n"
        ),
        ("--timeout", "3", *ACCESS, "app:app"),
        (*SERVE, "get /order?quantity=2", "start /order?amount=2", "wait TIMEOUT", "sleep 2", "get /", "signal TERM"),
        seconds=17,
        by="a request waits for the answer of a thread that has died of it",
    ),
    "external-stop/liveness": Scenario(
        scripted(
            "gunicorn -k uvicorn_worker.UvicornWorker -w 2 --bind 127.0.0.1:$PORT --access-logfile - app:app &\n"
            "server=$!\nsleep 4\nfor try in 1 2 3; do\n"
            "  code=$(curl -s -o /dev/null -m 1 -w '%{http_code}' -A kube-probe/1.31 "
            "http://127.0.0.1:$PORT/health/live)\n"
            '  echo "kubelet: Liveness probe failed: HTTP probe failed with statuscode: $code"\n  sleep 1\ndone\n'
            "echo 'kubelet: Container app failed liveness probe, will be restarted'\nkill -TERM $server\n"
            "wait $server\n",
            QUART.format("", "pass"),
        ),
        command=("sh", "start.sh"),
        seconds=18,
        only=ASGI,
        by="the liveness probe asks for a page that the app does not have",
    ),
    "external-stop/scale-in": Scenario(
        scripted(
            "gunicorn -k gthread -w 2 --bind 127.0.0.1:$PORT --access-logfile - app:app &\nserver=$!\nsleep 5\n"
            "echo 'autoscaler: average CPU 4% is below 30% for 10m, desired capacity 2 -> 1'\n"
            "echo 'autoscaler: terminating instance web-2'\nkill -TERM $server\nwait $server\n"
        ),
        command=("sh", "start.sh"),
        acts=(*SERVE, "get /"),
        by="an autoscaler ends a server that serves",
    ),
    "shutdown-timeout/aiohttp": Scenario(
        app(
            "import asyncio\nimport logging\n\nfrom aiohttp import web\n\n\nasync def index(request):\n"
            "    return web.Response(text='fine')\n\n\nasync def flush(app):\n"
            "    for done in range(0, 4211, 100):\n        await asyncio.sleep(1)\n"
            "        logging.getLogger('gunicorn.error').info('flushed %d of 4211 events', done + 100)\n\n\n"
            "app = web.Application()\napp.router.add_get('/', index)\napp.on_shutdown.append(flush)\n"
        ),
        ("-k", "aiohttp.GunicornWebWorker", "-w", "2", "--graceful-timeout", "5", *_DEBUG, *ACCESS, "app:app"),
        (*SERVE, "sleep 0.5", "signal TERM"),
        seconds=20,
        by="aiohttp's handler for the end does not get through with what it has to write",
    ),
    "shutdown-timeout/docker-stop": Scenario(
        scripted(
            "gunicorn -k gthread -w 2 --graceful-timeout 120 --access-logfile - --bind 127.0.0.1:$PORT app:app &\n"
            "server=$!\nsleep 4.5\nkill -TERM $server\nsleep 10\n"
            "echo 'dockerd: Container failed to exit within 10s of signal 15 - using the force' container=shop-web-1\n"
            "pkill -KILL -P $server\nkill -KILL $server\nwait $server\n",
            FALCON.format(
                "import logging\nimport time\n",
                "for page in range(1, 61):\n            "
                "logging.getLogger('gunicorn.error').info('invoice run: page %d of 60', page)\n"
                "            time.sleep(1)",
            ),
        ),
        command=("sh", "start.sh"),
        acts=(*SERVE, "start /orders"),
        seconds=25,
        by="a request lasts longer than Docker waits for the end of a container",
    ),
    "none/scanner": Scenario(
        scripted(
            '( (\nsleep 3\nexec 2>/dev/null\nsay() { exec 3<>/dev/tcp/127.0.0.1/$PORT; printf "$1" >&3; '
            "timeout 0.5 cat <&3 >/dev/null; exec 3>&-; }\n"
            "say '\\x03\\x00\\x00\\x2f\\x2a\\xe0\\x00\\x00\\x00\\x00\\x00Cookie: mstshash=admin\\r\\n\\r\\n'\n"
            "say 'SSH-2.0-Go\\r\\n\\r\\n'\nsay 'GET /cgi-bin/../../bin/sh HTTP/9.9\\r\\n\\r\\n'\n"
            "say 'GET / HTTP/1.1\\r\\nHost shop\\r\\n\\r\\n'\n"
            "say \"GET /$(head -c 9000 /dev/zero | tr '\\0' A) HTTP/1.1\\r\\n\\r\\n\"\n) & )\n"
            "exec gunicorn -w 2 --bind 127.0.0.1:$PORT --access-logfile - app:app\n"
        ),
        command=("bash", "start.sh"),
        acts=(*SERVE, "sleep 5", "get /", "get /", "signal TERM"),
        seconds=15,
        only=ASGI,
        by="scanners send what is no HTTP, and the server answers the others",
    ),
    "none/greenlet": Scenario(
        app(
            "import gevent\n\n\ndef poll():\n    gevent.sleep(2.5)\n"
            "    raise TimeoutError('exchange rates: no answer')\n\n\n"
            "gevent.spawn(poll)\n" + HELLO
        ),
        ("-k", "gevent", "-w", "2", *ACCESS, "app:app"),
        (*SERVE, "sleep 2", "get /", "get /", "signal TERM"),
        by="a greenlet in the background dies of an exception, and the app serves",
    ),
    "none/kafka-away": Scenario(
        app(
            _LOGGED + "from confluent_kafka import KafkaException, Producer\n\n"
            "producer = Producer({'bootstrap.servers': '127.0.0.1:9092'})\ntry:\n    producer.list_topics(timeout=1)\n"
            "except KafkaException:\n    producer = None\n"
            "    logging.getLogger('shop.audit').warning('no broker, the trail goes to audit.log', exc_info=True)\n"
            + HELLO
        ),
        ("-k", "gthread", *ACCESS, "app:app"),
        (*SERVE, "get /orders", "sleep 1", "get /", "signal TERM"),
        by="the broker of an audit trail refuses, a file takes its place, and every request is answered",
    ),
    "none/metrics-port": Scenario(
        app(
            _LOGGED + "from prometheus_client import start_http_server\n\ntry:\n"
            "    start_http_server(18099, addr='127.0.0.1')\nexcept OSError:\n"
            "    logging.getLogger('shop.metrics').warning('another worker serves them already', exc_info=True)\n"
            + HELLO
        ),
        ("-w", "3", *ACCESS, "app:app"),
        (*SERVE, "get /", "get /", "signal TERM"),
        by="one worker shows its metrics, the others find the port taken, say so, and serve",
    ),
    "none/cache-folder": Scenario(
        scripted(
            f"exec {AS_NOBODY} gunicorn --worker-tmp-dir beat -w 2 --bind 127.0.0.1:$PORT --access-logfile - app:app\n",
            _LOGGED + "import tempfile\nfrom pathlib import Path\n\nCACHE = Path('/var/cache/shop')\ntry:\n"
            "    CACHE.mkdir(parents=True, exist_ok=True)\nexcept OSError:\n    CACHE = Path(tempfile.mkdtemp())\n"
            "    logging.getLogger('shop.cache').warning('no cache folder, using %s instead', CACHE, exc_info=True)\n"
            + HELLO,
        ),
        command=("sh", "start.sh"),
        prepare=("mkdir -m 777 beat",),
        acts=(*SERVE, "get /", "signal TERM"),
        by="the folder of a cache is root's, and a temporary one does as well",
    ),
    "none/unretrieved": Scenario(
        app(
            LIFESPAN.format(
                "import asyncio\nimport gc\n\n\nasync def refresh():\n    await asyncio.sleep(2)\n"
                "    raise ConnectionResetError(104, 'Connection reset by peer')",
                "asyncio.ensure_future(refresh()).add_done_callback(lambda task: asyncio.get_running_loop()"
                ".call_later(0.1, gc.collect))",
            )
        ),
        (*UVICORN, "-w", "2", *ACCESS, "app:app"),
        ("wait startup complete", "sleep 1", "get /", "sleep 2.5", "get /", "get /", "signal TERM"),
        only=ASGI,
        by="a task whose result nobody takes fails in the background of an ASGI app",
    ),
    "none/replica": Scenario(
        app(
            _LOGGED + "import os\n\nimport psycopg\n\nfor port in (9, os.environ['DB_PORT']):\n    try:\n"
            "        db = psycopg.connect(host='127.0.0.1', port=port, user='shop', password='hunter22secret', "
            "dbname='shop')\n        break\n    except psycopg.OperationalError:\n"
            "        logging.getLogger('shop.db').exception('replica is away, reading from the primary')\n" + HELLO
        ),
        ("-k", "gthread", "-w", "2", *ACCESS, "app:app"),
        (*SERVE, "get /", "signal HUP", "sleep 2", "get /", "signal TERM"),
        needs="postgres",
        by="the database's replica refuses, and the app reads from the primary",
    ),
    "none/hung-up": Scenario(
        scripted(
            "( (sleep 3; for n in 1 2 3; do curl -s -m 0.4 http://127.0.0.1:$PORT/export >/dev/null; done) & )\n"
            "exec gunicorn -w 2 -k gthread --log-level debug --bind 127.0.0.1:$PORT --access-logfile - app:app\n",
            FLASK + "import time\n\n\n@app.get('/export')\ndef export():\n    def rows():\n"
            "        for n in range(12):\n"
            "            time.sleep(0.1)\n            yield 'order,total\\n' * 9000\n\n    return rows(), 200\n",
        ),
        command=("sh", "start.sh"),
        acts=(*SERVE, "sleep 4", "get /", "signal TERM"),
        seconds=16,
        by="clients hang up in the middle of an answer, logged in full",
    ),
    "none/reuse-port": Scenario(
        scripted(
            "gunicorn --reuse-port -w 2 --access-logfile - --bind 127.0.0.1:$PORT app:app &\nold=$!\nsleep 4\n"
            "echo 'deploy: starting release 42 beside 41'\n"
            "gunicorn --reuse-port -w 2 --access-logfile - --bind 127.0.0.1:$PORT app:app &\nsleep 3\n"
            "echo 'deploy: stopping release 41'\nkill -TERM $old\nwait\n"
        ),
        command=("sh", "start.sh"),
        acts=(*SERVE, "sleep 7", "get /", "get /", "leave"),
        seconds=16,
        by="the next release takes the same port beside the last one, which is ended then",
    ),
    "none/one-scheduler": Scenario(
        app(
            _LOGGED + "import fcntl\n\nlock = open('scheduler.lock', 'w')\ntry:\n"
            "    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)\nexcept BlockingIOError as error:\n"
            "    logging.getLogger('shop.jobs').error('another worker runs the scheduler: %r', error)\n" + HELLO
        ),
        ("-w", "4", *ACCESS, "app:app"),
        (*SERVE, "get /", "signal HUP", "sleep 2", "get /", "signal TERM"),
        by="one of four workers runs the jobs, the others are refused the lock, say so, and serve",
    ),
    "none/quart": Scenario(
        app(
            QUART.format("import asyncio\n", "app.logger.warning('feature flags: no connection, defaults are used')")
            + "@app.get('/orders')\nasync def orders():\n    async with asyncio.timeout(0.2):\n"
            "        await asyncio.sleep(5)\n\n\n@app.get('/stock')\nasync def stock():\n"
            "    raise MemoryError('stock report')\n"
        ),
        (*UVICORN, "-w", "2", *ACCESS, "app:app"),
        ("wait startup complete", "sleep 1", "get /", "get /orders", "get /stock", "get /", "signal TERM"),
        only=ASGI,
        by="single requests of a Quart app fail or time out, and the others are answered",
    ),
}
