"""A server that serves is stopped by others, or does not stop when it must."""

from __future__ import annotations

from scenarios_launch import SUPERVISED, supervised
from scene import ACCESS, HELLO, SERVE, Scenario, app

_STUCK = (
    "import time\n\n\ndef app(environ, start_response):\n"
    "    if environ['PATH_INFO'] == '/health':\n        time.sleep(3)\n"
    "    start_response('200 OK', [])\n    return [b'fine']\n"
)
_SLOW = "import time\n\n\ndef app(environ, start_response):\n    time.sleep(40)\n"
_MONIT = """\
set daemon 1
set idfile @ROOT@/id
set httpd unixsocket @ROOT@/monit.sock allow root:x
check process web with pidfile @ROOT@/web.pid
  start program = "/bin/sh -c 'cd @ROOT@ && gunicorn --config conf.py app:app'" with timeout 1 seconds
  stop program = "/bin/sh -c 'kill -TERM $(cat @ROOT@/web.pid)'"
  if failed host 127.0.0.1 port @PORT@ protocol http request "/health" with timeout 1 seconds for 2 cycles then restart
"""
_HAPROXY = """\
global
  log stdout format raw local0
defaults
  mode http
  log global
  timeout connect 1s
  timeout client 2s
  timeout server 2s
frontend in
  bind unix@front.sock
  default_backend app
backend app
  option httpchk GET /health
  server web-1 127.0.0.1:@PORT@ check inter 500ms fall 2 rise 2
"""

SCENARIOS: dict[str, Scenario] = {
    "external-stop/httpok": Scenario(
        supervised(
            "command=gunicorn -k gthread --threads 2 --bind 127.0.0.1:@PORT@ app:app\n"
            "[unix_http_server]\nfile=%(here)s/s.sock\n[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            "[supervisorctl]\nserverurl=unix://%(here)s/s.sock\n"
            "[eventlistener:health]\ncommand=httpok -p web -t 1 http://127.0.0.1:@PORT@/health\nevents=TICK_5\n"
            "stderr_logfile=/dev/fd/1\nstderr_logfile_maxbytes=0\n"
        )
        | app(_STUCK),
        command=SUPERVISED,
        acts=("sleep 16", "signal TERM"),
        seconds=30,
        by="superlance's httpok asks a health page that does not answer in time, and has supervisord restart the server",
    ),
    "external-stop/monit": Scenario(
        {
            **app(_STUCK),
            "conf.py": "bind = '127.0.0.1:@PORT@'\nworker_class = 'gthread'\nthreads = 2\n"
            "pidfile = 'web.pid'\ndaemon = False\n",
            "monitrc": _MONIT,
            "start.sh": 'sed -i "s|@ROOT@|$ROOT|" monitrc; chmod 600 monitrc\ngunicorn --config conf.py app:app &\n'
            "sleep 2\nexec monit -I -c $ROOT/monitrc -s $ROOT/state -p $ROOT/monit.pid\n",
        },
        command=("sh", "start.sh"),
        acts=("sleep 18", "signal TERM"),
        seconds=24,
        by="monit's HTTP test of a health page fails, and it restarts the server",
    ),
    "external-stop/haproxy": Scenario(
        {
            **app(_STUCK),
            "haproxy.cfg": _HAPROXY,
            "start.sh": "gunicorn --bind 127.0.0.1:$PORT -k gthread --threads 4 app:app &\nserver=$!\nsleep 2\n"
            "haproxy -f haproxy.cfg -db &\nsleep 6\nkill -TERM $server\nwait $server\nkill %2 2>/dev/null\n",
        },
        command=("sh", "start.sh"),
        seconds=45,
        by="HAProxy takes the server out of service because its health page does not answer",
    ),
    "shutdown-timeout/ignored": Scenario(
        app(
            "import signal\nimport time\n\n\ndef app(environ, start_response):\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "    start_response('200 OK', [])\n    return [b'fine']\n"
        ),
        ("-w", "2", "--graceful-timeout", "2", *ACCESS, "app:app"),
        (*SERVE, *["get /"] * 6, "signal TERM"),
        by="the app ignores SIGTERM",
    ),
    "shutdown-timeout/gthread": Scenario(
        app(_SLOW),
        ("-k", "gthread", "--threads", "4", "--graceful-timeout", "2", *ACCESS, "app:app"),
        ("wait Booting worker", "sleep 1.5", "start /slow", "start /slow", "sleep 0.5", "signal TERM"),
        only=("20.1.0", "23.0.0"),
        by="requests in threads outlast the grace period",
    ),
    "shutdown-timeout/supervisor": Scenario(
        supervised("command=gunicorn --graceful-timeout 30 --bind 127.0.0.1:@PORT@ app:app\nstopwaitsecs=3\n")
        | app(_SLOW),
        command=SUPERVISED,
        acts=("wait Booting worker", "sleep 2", "start /slow", "sleep 0.5", "signal TERM"),
        seconds=20,
        by="supervisord waits for less time than the requests take, and kills",
    ),
    "shutdown-timeout/gevent": Scenario(
        app(_SLOW),
        ("-k", "gevent", "--graceful-timeout", "2", "-w", "2", *ACCESS, "app:app"),
        ("wait Booting worker", "sleep 2", "start /slow", "start /slow", "sleep 0.5", "signal TERM"),
        by="greenlets outlast the grace period",
    ),
    "shutdown-timeout/quit-hang": Scenario(
        app(
            "import atexit\nimport time\n\n\n@atexit.register\ndef flush():\n    print('flushing metrics', flush=True)\n    time.sleep(60)\n\n\n"
            + HELLO
        ),
        ("-w", "2", "--graceful-timeout", "2", "app:app"),
        (*SERVE, "signal TERM"),
        by="an exit handler of the app hangs",
    ),
}
