"""A fifth set, of what was mended: peers without an answer, closed descriptors, names of Python's own, dumps of a stack."""

from __future__ import annotations

from scene import ACCESS, FLASK, HELLO, SERVE, Scenario, app

FULL = (
    "import socket\n\n_listener = socket.socket()\n_listener.bind(('127.0.0.1', 0))\n_listener.listen(0)\n"
    "_waiting = [socket.socket() for _ in range(3)]\nfor one in _waiting:\n    one.setblocking(False)\n"
    "    one.connect_ex(_listener.getsockname())\nPORT = _listener.getsockname()[1]\n"
)
"""A port whose queue is full: like a firewall that drops packets, it neither takes a connection nor refuses one."""
SOON = ("--timeout", "3", *ACCESS)
FIRST = ("wait Booting worker", "sleep 1.5", "start /", "sleep 8")

SCENARIOS: dict[str, Scenario] = {
    "backend-unavailable/redis-silent": Scenario(
        app(
            f"import redis\n\nfrom peer import PORT\n{FLASK}cache = redis.Redis(port=PORT)\n\n\n"
            "@app.get('/hits')\ndef hits():\n    return str(cache.incr('hits'))\n",
            peer=FULL,
        ),
        args=("app:app", *SOON),
        acts=("wait Booting worker", "sleep 1.5", "get /", "start /hits", "sleep 8"),
        only=("23.0.0", "27.0.1"),
        by="a request waits for a Redis that takes no connection, until the worker is timed out",
    ),
    "backend-unavailable/mail-silent": Scenario(
        app(
            f"import smtplib\n\nfrom peer import PORT\n{FLASK}@app.get('/order')\ndef order():\n"
            "    with smtplib.SMTP('127.0.0.1', PORT) as mail:\n        mail.noop()\n    return 'sent'\n",
            peer=FULL,
        ),
        args=("app:app", *SOON),
        acts=("wait Booting worker", "sleep 1.5", "get /", "start /order", "sleep 8"),
        only=("23.0.0", "27.0.1"),
        by="a request waits for a mail server that takes no connection, until the worker is timed out",
    ),
    "db-unreachable/mysql-silent": Scenario(
        app(
            "import pymysql\n\nfrom peer import PORT\n\n"
            "connection = pymysql.connect(host='127.0.0.1', port=PORT, user='shop', password='x', database='shop')\n"
            + HELLO,
            peer=FULL,
        ),
        args=("app:app", "--timeout", "3"),
        acts=("wait Booting worker", "sleep 9"),
        only=("23.0.0", "27.0.1"),
        by="the import waits for a database that takes no connection, until the worker is timed out",
    ),
    "request-timeout/dumped": Scenario(
        app(
            f"import faulthandler\nimport time\n{FLASK}faulthandler.enable()\n\n\n@app.get('/report')\ndef report():\n"
            "    time.sleep(60)\n    return 'done'\n"
        ),
        args=("app:app", *SOON),
        acts=("wait Booting worker", "sleep 1.5", "get /", "start /report", "sleep 6"),
        by="a request takes too long, and faulthandler dumps the stack of the worker that the master aborts",
    ),
    "native-crash/dumped": Scenario(
        app(
            f"import ctypes\nimport faulthandler\n{FLASK}faulthandler.enable()\n\n\n@app.get('/image')\ndef image():\n"
            "    return ctypes.string_at(0)\n"
        ),
        args=("app:app", *ACCESS),
        acts=("wait Booting worker", "sleep 1.5", "get /", "get /image", "sleep 1", "get /", "signal TERM"),
        by="a request reads where nothing is, and faulthandler dumps the stack",
    ),
    "app-exception/closerange": Scenario(
        app(f"import os\n\n{HELLO}\n\nos.closerange(3, 1024)\n"),
        acts=("wait Booting worker",),
        seconds=0.8,
        by="the app closes every descriptor while it is loaded, Gunicorn's with them",
    ),
    "app-import-error/own-copy": Scenario(
        app(HELLO, copy="def catalogue(shelf):\n    return list(shelf)\n"),
        command=("{python}", "-m", "gunicorn", "-b", "127.0.0.1:{port}", "app:app"),
        by="a module of the app has the name of one of Python's own, and is found first",
    ),
    "none/statsd-refused": Scenario(
        app(HELLO),
        args=("app:app", "--statsd-host", "127.0.0.1:9", *ACCESS),
        acts=(*SERVE, "get /", "signal TERM"),
        by="nobody takes its metrics: it says so, and serves",
    ),
}
