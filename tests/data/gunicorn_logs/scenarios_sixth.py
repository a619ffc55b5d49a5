"""A sixth set, start and native code: other launchers, other hooks and other moments than in the sets before."""

from __future__ import annotations

from scenarios_fourth import ASGI, CERTIFICATE, LIFESPAN, PROJECT, UVICORN, installed, scripted
from scenarios_launch import SUPERVISED, supervised
from scene import ACCESS, FLASK, HELLO, SERVE, Scenario, app

_HANDSHAKE = ("wait Booting worker", "sleep 1.2", "tls", "sleep 0.3", "tls", "sleep 0.5", "signal TERM")
_UD2 = 'void warm(void) { __asm__("ud2"); }\n'
_BUILT = ("gcc -shared -fPIC fast.c -o fast.so",)
_OTHER_PYTHON = "--platform {} --python-version {} --only-binary=:all: --no-deps {}"
_UNSHARED = ("unshare", "-m", "sh", "start.sh")
_NOBODY = (
    "setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all,+dac_read_search "
    "--inh-caps=+dac_read_search --ambient-caps=+dac_read_search"
)
_HEARTBEAT = ("mkdir -m 777 beat",)
_BEAT = ("--worker-tmp-dir", "beat")

SCENARIOS: dict[str, Scenario] = {
    "launcher-error/no-shebang": Scenario(
        {**app(HELLO), "start.sh": "exec gunicorn -w 2 app:app\n"},
        command=("gosu", "root", "./start.sh"),
        prepare=("chmod +x start.sh",),
        by="the start script of an image has no first line that names its shell",
    ),
    "launcher-error/chdir": Scenario(
        app(HELLO),
        command=("env", "--chdir=/srv/shop/current", "gunicorn", "-w", "4", "app:app"),
        by="the folder of the release that env is told to start in is not there",
    ),
    "launcher-error/user-number": Scenario(
        app(HELLO),
        command=("setpriv", "--reuid=www-shop", "--init-groups", "gunicorn", "--bind", "0.0.0.0:8000", "app:app"),
        by="setpriv is given a user whom the image does not know",
    ),
    "launcher-error/wait-script": Scenario(
        scripted("echo 'waiting for the database'\nexec bash ./bin/wait-for-it.sh db:5432 -- gunicorn app:app\n"),
        command=("tini", "-g", "--", "sh", "start.sh"),
        by="the script that waits for the database was not copied into the image, and it is what starts the server",
    ),
    "config-file-error/when-ready": Scenario(
        {
            **app(HELLO),
            "gunicorn.conf.py": "workers = 2\n\n\ndef when_ready(server):\n"
            "    server.log.info('ready at %s', server.address.host)\n",
        },
        by="the hook that reports the server as ready reads something that a list does not have",
    ),
    "config-file-error/child-exit": Scenario(
        {
            **app(HELLO),
            "gunicorn.conf.py": "from prometheus_client import multiprocess\n\nworkers = 2\nmax_requests = 3\n\n\n"
            "def child_exit(server, worker):\n    multiprocess.mark_process_dead(worker.pid)\n",
        },
        ("app:app", *ACCESS),
        (*SERVE, *["get /"] * 8, "sleep 2", "get /", "sleep 1", "leave"),
        by="the metrics' hook for ended workers runs without its folder, when the first worker is recycled",
    ),
    "config-file-error/half-workers": Scenario(
        {
            **app(HELLO),
            "conf/gunicorn.py": "import multiprocessing\n\nworkers = multiprocessing.cpu_count() / 2\nthreads = 4\n",
        },
        ("-c", "conf/gunicorn.py", "app:app"),
        by="the number of workers is a fraction",
    ),
    "config-file-error/pre-request": Scenario(
        {
            **app(HELLO),
            "gunicorn.conf.py": "accesslog = '-'\n\n\ndef pre_request(worker, req):\n"
            "    worker.log.debug('%s for %s', req.path, dict(req.headers)['X-TENANT'])\n",
        },
        acts=(*SERVE, "get /orders", "sleep 0.5", "signal TERM"),
        by="a hook before each request wants a header that nobody sends: every request fails",
    ),
    "worker-class-unavailable/other-python": Scenario(
        app(HELLO),
        ("-k", "gevent", "-w", "2", "app:app"),
        prepare=installed(_OTHER_PYTHON.format("manylinux2014_x86_64", "3.9", "greenlet")),
        environ=PROJECT,
        by="gevent's greenlet was installed for another Python",
    ),
    "worker-class-unavailable/old-tornado": Scenario(
        app(HELLO),
        environ={**PROJECT, "GUNICORN_CMD_ARGS": "--worker-class tornado --workers 2"},
        prepare=installed("--no-deps tornado==4.5.3"),
        by="a tornado from before Python 3.10, whose module cannot be imported",
    ),
    "worker-class-unavailable/reload": Scenario(
        {
            **scripted(
                "gunicorn app:app --bind 127.0.0.1:$PORT &\nsleep 3\n"
                "echo \"worker_class = 'gaiohttp'\" >> gunicorn.conf.py\n"
                "kill -HUP $!\nwait $!\n"
            ),
            "gunicorn.conf.py": "workers = 2\naccesslog = '-'\n",
        },
        command=("sh", "start.sh"),
        acts=(*SERVE,),
        by="a reload brings a worker class that gunicorn gave up long ago",
    ),
    "native-library/musl": Scenario(
        app("from shop.passwords import check\n" + HELLO, shop__passwords="import bcrypt\n\ncheck = bcrypt.checkpw\n"),
        ("-w", "2", "app:app"),
        prepare=installed(_OTHER_PYTHON.format("musllinux_1_2_x86_64", "3.10", "bcrypt")),
        environ=PROJECT,
        by="a package was installed in an image with musl, and runs in one with glibc",
    ),
    "native-library/arm": Scenario(
        app("import os\n\nimport bcrypt\n\nSALT = bcrypt.gensalt()\n" + HELLO),
        ("--preload", "-k", "gthread", "app:app"),
        prepare=installed(_OTHER_PYTHON.format("manylinux_2_34_aarch64", "3.10", "bcrypt")),
        environ=PROJECT,
        by="a package was installed on an ARM machine",
    ),
    "native-library/magic": Scenario(
        scripted(
            "for file in /lib/x86_64-linux-gnu/libmagic.so*; do mount --bind nothing $file; done\n"
            "exec gunicorn --bind 127.0.0.1:$PORT -w 2 app:app\n",
            "from uploads import kind\n" + HELLO,
            uploads="import magic\n\nkind = magic.Magic(mime=True)\n",
        ),
        command=_UNSHARED,
        prepare=(*installed("--no-deps python-magic"), "touch nothing"),
        environ=PROJECT,
        by="python-magic cannot load the library that it wraps",
    ),
    "tls-error/openssh": Scenario(
        app(LIFESPAN.format("", "pass")),
        (*UVICORN, "-w", "2", "--certfile", "tls.crt", "--keyfile", "id_rsa", "app:app"),
        ("wait Booting worker", "sleep 2", "leave"),
        prepare=(
            CERTIFICATE.format("tls.key", "tls.crt", "-nodes"),
            '$PYTHON -c "from cryptography.hazmat.primitives import serialization as s; '
            "key = s.load_pem_private_key(open('tls.key', 'rb').read(), None); open('id_rsa', 'wb').write("
            'key.private_bytes(s.Encoding.PEM, s.PrivateFormat.OpenSSH, s.NoEncryption()))"',
        ),
        only=ASGI,
        by="the key is one of SSH's, in uvicorn's worker",
    ),
    "tls-error/chain": Scenario(
        app(HELLO),
        ("-k", "gthread", "--threads", "2", "--certfile", "chain.pem", "--keyfile", "shop.key", "app:app"),
        _HANDSHAKE,
        prepare=(
            CERTIFICATE.format("ca.key", "ca.crt", "-nodes"),
            CERTIFICATE.format("shop.key", "shop.crt", "-nodes"),
            'printf %s "$(cat shop.crt)" > chain.pem; cat ca.crt >> chain.pem',
        ),
        by="a chain that was put together without the line end between its certificates",
    ),
    "address-in-use/both-families": Scenario(
        app(HELLO),
        ("-w", "2", "app:app"),
        command=("{gunicorn}", "--bind", "[::]:{port}", "--bind", "0.0.0.0:{port}", "app:app"),
        by="IPv6's wildcard holds the port for IPv4 as well, and both are given",
    ),
    "address-in-use/proxy": Scenario(
        {
            **scripted("haproxy -f haproxy.cfg -db &\nsleep 1\nexec gunicorn -w 2 --bind 127.0.0.1:$PORT app:app\n"),
            "haproxy.cfg": "defaults\n  mode http\n  timeout connect 1s\n  timeout client 2s\n  timeout server 2s\n"
            "frontend in\n  bind 127.0.0.1:@PORT@\n  default_backend app\nbackend app\n  server web 127.0.0.1:9\n",
        },
        command=("sh", "start.sh"),
        by="the proxy in front of it has the port that the server wants",
    ),
    "bad-bind-address/service-link": Scenario(
        app(HELLO),
        command=("sh", "-c", "exec gunicorn --bind 0.0.0.0:$PORT -w 2 app:app"),
        environ={"PORT": "tcp://10.43.0.12:8000"},
        by="Kubernetes sets the variable of the port to a link to the service",
    ),
    "bad-bind-address/reload": Scenario(
        {
            **scripted(
                "echo 127.0.0.1:0 > bind\ngunicorn -w 2 app:app &\nserver=$!\nsleep 3\n"
                "echo 192.0.2.55:8000 > bind\nkill -HUP $server\nwait $server\n"
            ),
            "gunicorn.conf.py": "bind = open('bind').read().strip()\n",
        },
        command=("sh", "start.sh"),
        seconds=20,
        by="a reload moves the server to an address of another machine",
    ),
    "permission-denied/cache-of-home": Scenario(
        app(
            "from pathlib import Path\n\nCACHE = Path.home() / '.cache' / 'embeddings'\n"
            "CACHE.mkdir(parents=True, exist_ok=True)\n" + HELLO
        ),
        ("-w", "2", *_BEAT, "app:app"),
        nobody=True,
        prepare=_HEARTBEAT,
        environ={"HOME": "/"},
        by="the user of the image has no home, and a library wants its cache there",
    ),
    "permission-denied/semaphore": Scenario(
        scripted(
            "mount -t tmpfs -o mode=755 tmpfs /dev/shm\n"
            f"exec {_NOBODY} gunicorn --worker-tmp-dir beat --bind 127.0.0.1:$PORT app:app\n",
            "from multiprocessing import Pool\n\nworkers = Pool(2)\n" + HELLO,
        ),
        command=_UNSHARED,
        prepare=_HEARTBEAT,
        by="a pool of processes needs shared memory, which belongs to root",
    ),
    "permission-denied/docker-socket": Scenario(
        scripted(
            f"exec {_NOBODY} gunicorn --worker-tmp-dir beat --bind 127.0.0.1:$PORT -k gthread -w 2 app:app\n",
            "import socket\n\nengine = socket.socket(socket.AF_UNIX)\nengine.connect('docker.sock')\n" + HELLO,
        ),
        command=("sh", "start.sh"),
        prepare=(
            *_HEARTBEAT,
            "$PYTHON -c \"import socket; s = socket.socket(socket.AF_UNIX); s.bind('docker.sock'); s.listen()\"",
            "chmod 660 docker.sock",
        ),
        by="the socket of the container engine is root's",
    ),
    "filesystem/inodes": Scenario(
        scripted(
            "mount -t tmpfs -o nr_inodes=2 tmpfs tmp && touch tmp/session\n"
            "exec gunicorn -w 2 --worker-tmp-dir tmp --bind 127.0.0.1:$PORT app:app\n"
        ),
        command=_UNSHARED,
        prepare=("mkdir tmp",),
        by="the volume of the temporary files has no inodes left",
    ),
    "filesystem/reopen": Scenario(
        scripted(
            "gunicorn -w 2 --bind 127.0.0.1:$PORT --access-logfile log/access.log app:app &\nsleep 3\n"
            "echo 'logrotate: moved log to log.1'\nmv log log.1\nkill -USR1 $!\nwait $!\n"
        ),
        prepare=("mkdir log",),
        command=("sh", "start.sh"),
        acts=(*SERVE, "sleep 3", "signal TERM"),
        seconds=9,
        by="the folder of the logs was moved when the server is told to reopen them",
    ),
    "resource-limit/heartbeats": Scenario(
        app(HELLO),
        command=("prlimit", "--nofile=28:28", "{gunicorn}", "-w", "40", "--bind", "127.0.0.1:{port}", "app:app"),
        acts=("wait Booting worker", "sleep 4", "leave"),
        seconds=9,
        by="the master needs a descriptor for each of more workers than it may have descriptors",
    ),
    "resource-limit/openblas": Scenario(
        app("import numpy as np\n\nWEIGHTS = np.eye(4)\n" + HELLO),
        ("app:app",),
        nobody=True,
        command=(
            "prlimit",
            "--nproc=2:2",
            "{gunicorn}",
            "--worker-tmp-dir",
            "beat",
            "--bind",
            "127.0.0.1:{port}",
            "app:app",
        ),
        prepare=_HEARTBEAT,
        only=("20.1.0", "23.0.0"),
        by="NumPy's OpenBLAS may not start its threads",
    ),
    "resource-limit/scheduler": Scenario(
        app(
            "import time\n\nfrom apscheduler.schedulers.background import BackgroundScheduler\n\ntime.sleep(0.7)\n"
            "scheduler = BackgroundScheduler()\nscheduler.start()\n" + HELLO
        ),
        nobody=True,
        command=(
            "prlimit",
            "--nproc=5:5",
            "{gunicorn}",
            "--worker-tmp-dir",
            "beat",
            "--bind",
            "127.0.0.1:{port}",
            "-w",
            "3",
            "app:app",
        ),
        prepare=_HEARTBEAT,
        by="each worker's scheduler is a thread, and one of three has none left",
    ),
    "illegal-instruction/hook": Scenario(
        {
            **app("import ctypes\n\nfast = ctypes.CDLL('./fast.so')\n" + HELLO),
            "fast.c": _UD2,
            "gunicorn.conf.py": "workers = 2\n\n\ndef post_worker_init(worker):\n    import app\n\n"
            "    worker.log.info('compiling kernels')\n    app.fast.warm()\n",
        },
        prepare=_BUILT,
        acts=("wait Booting worker", "sleep 1", "leave"),
        by="a hook warms up native code for another processor, after the app was loaded",
    ),
    "illegal-instruction/leader": Scenario(
        {
            **app(
                "import ctypes\nimport fcntl\nimport time\n\nleader = open('leader.lock', 'w')\ntry:\n"
                "    fcntl.flock(leader, fcntl.LOCK_EX | fcntl.LOCK_NB)\n    time.sleep(0.5)\n"
                "    ctypes.CDLL('./fast.so').warm()\n"
                "except BlockingIOError:\n    pass\n" + HELLO
            ),
            "fast.c": _UD2,
        },
        ("-w", "3", "-k", "gevent", *ACCESS, "app:app"),
        (*SERVE, "get /", "sleep 0.5", "leave"),
        prepare=_BUILT,
        by="the one of three workers that runs the jobs loads native code for another processor, again and again",
    ),
    "native-crash/assert": Scenario(
        {
            **app(
                FLASK + "@app.get('/thumb')\ndef thumb():\n    import ctypes\n\n"
                "    return str(ctypes.CDLL('./fast.so').decode(0))\n"
            ),
            "fast.c": "#include <assert.h>\nint decode(int size) { assert(size > 0); return size; }\n",
        },
        ("-w", "2", "-k", "gevent", *ACCESS, "app:app"),
        (*SERVE, "get /thumb", "sleep 1", "get /", "get /thumb", "sleep 1", "signal TERM"),
        prepare=_BUILT,
        by="an assertion of native code fails in requests",
    ),
    "native-crash/stack-smash": Scenario(
        {
            **app(LIFESPAN.format("import ctypes", "ctypes.CDLL('./fast.so').parse(64)")),
            "fast.c": "#include <string.h>\n__attribute__((noinline)) int parse(int n) { volatile char name[8]; "
            "for (int i = 0; i < n; i++) name[i] = 'x'; return name[0]; }\n",
        },
        (*UVICORN, "-w", "2", "app:app"),
        ("wait Booting worker", "sleep 2.5", "leave"),
        prepare=("gcc -shared -fPIC -O0 -fstack-protector-all fast.c -o fast.so",),
        only=ASGI,
        by="native code writes beyond its stack in the lifespan of an ASGI app",
    ),
    "native-crash/supervised": Scenario(
        {
            **supervised("command=gunicorn --preload -w 2 --bind 127.0.0.1:@PORT@ app:app\nstartretries=2\n"),
            **app("import ctypes\n\nctypes.memset(64, 0, 64)\n" + HELLO),
        },
        command=SUPERVISED,
        acts=("wait FATAL", "sleep 0.3", "signal TERM"),
        seconds=25,
        by="the master itself crashes under --preload, and supervisord says so",
    ),
    "oom-kill/job": Scenario(
        app(
            "from apscheduler.schedulers.background import BackgroundScheduler\n\nrows = []\n\n\ndef export():\n"
            "    print('export: reading orders', flush=True)\n    rows.extend(b'%d' % n * (1 << 18) for n in "
            "range(4000))\n\n\n"
            "jobs = BackgroundScheduler()\njobs.add_job(export, 'interval', seconds=3)\njobs.start()\n" + HELLO
        ),
        ("-k", "gthread", *ACCESS, "app:app"),
        (*SERVE, "sleep 4", "get /", "sleep 1", "leave"),
        memory=200,
        by="a scheduled job in the background of a serving worker uses up the control group's memory",
    ),
    "oom-kill/export": Scenario(
        app(
            "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get('/')\nasync def index():\n"
            "    return 'fine'\n\n\n"
            "@app.get('/export')\ndef export():\n    return ''.join(f'{n},order\\n' for n in range(80_000_000))\n"
        ),
        (*UVICORN, "-w", "2", *ACCESS, "app:app"),
        ("wait startup complete", "sleep 1.5", "get /", "get /export", "sleep 1.5", "get /", "signal TERM"),
        memory=300,
        seconds=25,
        only=ASGI,
        by="an ASGI view builds its whole export in memory",
    ),
    "external-stop/time-limit": Scenario(
        app(HELLO),
        command=(
            "timeout",
            "--verbose",
            "7",
            "{gunicorn}",
            "-w",
            "2",
            "--bind",
            "127.0.0.1:{port}",
            *ACCESS,
            "app:app",
        ),
        acts=(*SERVE, "sleep 2", "get /", "sleep 2", "get /"),
        by="a job's time limit stops a server that serves",
    ),
}
