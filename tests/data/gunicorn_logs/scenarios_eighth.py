"""An eighth set, of what is met most often: the command, Gunicorn's settings, the system below it, and its signals."""

from __future__ import annotations

from scene import ACCESS, FLASK, HELLO, SERVE, STOP, Scenario, app

BOOT = ("wait Booting worker", "sleep 4")
SUPERVISED = (
    "[supervisord]\nnodaemon=true\nuser=root\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={0}.pid\n\n"
    "[program:web]\ncommand={1}\nstartretries=1\nstdout_logfile=/dev/fd/1\nstdout_logfile_maxbytes=0\n"
    "redirect_stderr=true\n"
)
SUPERVISORD = ("{bin}/supervisord", "-c", "supervisord.conf")
COMPILE = "gcc -shared -fPIC -I$($PYTHON -c 'import sysconfig; print(sysconfig.get_path(\"include\"))') "
MODULE = (
    "#include <Python.h>\nstatic PyObject *run(PyObject *self, PyObject *none) {{ {body} }}\n"
    'static PyMethodDef methods[] = {{{{"{call}", run, METH_NOARGS, ""}}, {{0}}}};\n'
    'static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "{name}", 0, -1, methods}};\n'
    "PyMODINIT_FUNC PyInit_{name}(void) {{ {start} return PyModule_Create(&module); }}\n"
)
LIMITED = ("bash", "-c")
CERTIFY = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=shop.example -days 30 -keyout {0}.key -out {0}.crt 2>&1"
PAIR = (CERTIFY.format("shop"), CERTIFY.format("old"))


def _native(name: str, call: str = "run", body: str = "Py_RETURN_NONE;", start: str = "") -> dict[str, str]:
    return {f"{name}.c": MODULE.format(name=name, call=call, body=body, start=start)}


SCENARIOS: dict[str, Scenario] = {
    "launcher-error/path-lost": Scenario(
        app(HELLO),
        command=("bash", "-c", "cd {root} && export PATH=/usr/bin:/bin && gunicorn --bind 127.0.0.1:{port} app:app"),
        by="the shell that starts it has not the environment's bin in its PATH",
    ),
    "launcher-error/entrypoint-crlf": Scenario(
        {**app(HELLO), "entrypoint.sh": "#!/usr/bin/env bash\r\nset -e\r\nexec gunicorn app:app\r\n"},
        prepare=("chmod +x entrypoint.sh",),
        command=("sh", "-c", "./entrypoint.sh"),
        by="the entry point was written on Windows: env finds no 'bash\\r'",
    ),
    "launcher-error/supervisord-no-file": Scenario(
        {
            **app(HELLO),
            "supervisord.conf": SUPERVISED.format("super", "/srv/shop/venv/bin/gunicorn -b 127.0.0.1:@PORT@ app:app"),
        },
        command=SUPERVISORD,
        seconds=4,
        by="supervisord has the path of an environment that is not on this machine",
    ),
    "config-file-error/conf-name": Scenario(
        {
            **app(HELLO),
            "gunicorn.conf.py": "bind = '127.0.0.1:@PORT@'\nworkers = multiprocessing.cpu_count() * 2 + 1\n",
        },
        args=("-c", "gunicorn.conf.py", "app:app"),
        by="the file counts the processors without the import of multiprocessing",
    ),
    "config-file-error/conf-workers-text": Scenario(
        {**app(HELLO), "deploy/gunicorn.py": "workers = 'auto'\ntimeout = 60\n"},
        args=("--config", "deploy/gunicorn.py", "app:app"),
        by="the number of workers is a word",
    ),
    "config-file-error/post-fork-hook": Scenario(
        {
            **app(HELLO),
            "gunicorn.conf.py": "def post_fork(server, worker):\n"
            "    server.log.info('Worker spawned (pid: %s)', worker.pid)\n    worker.tmp.set_name('web')\n",
        },
        acts=("wait Booting worker", "sleep 2"),
        seconds=5,
        by="the hook of every new worker calls what is not there",
    ),
    "worker-class-unavailable/eventlet": Scenario(
        app(HELLO),
        args=("--worker-class", "eventlet", "-w", "1", "app:app"),
        only=("20.1.0", "23.0.0"),
        by="eventlet is not installed",
    ),
    "worker-class-unavailable/tornado": Scenario(
        {**app(HELLO), "gunicorn.conf.py": "worker_class = 'tornado'\nworkers = 2\n"},
        by="tornado is not installed",
    ),
    "worker-class-unavailable/meinheld": Scenario(
        app(HELLO),
        args=("-k", "egg:meinheld#gunicorn_worker", "app:app"),
        by="the worker class is an entry point of a package that is not installed",
    ),
    "native-library/opencv-libgl": Scenario(
        {
            **app(f"import cv2\n{FLASK}"),
            **_native("cv2"),
            "thumbs/__init__.py": "",
        },
        prepare=(
            "echo 'int gl;' | gcc -shared -x c - -Wl,-soname,libGL.so.11 -o libGL.so.11",
            COMPILE + "cv2.c -Wl,--no-as-needed ./libGL.so.11 -o cv2.so && rm libGL.so.11 cv2.c",
        ),
        by="an extension was linked with a library that the slim image has not",
    ),
    "native-library/zbar": Scenario(
        app(f"from pyzbar.pyzbar import decode\n{FLASK}"),
        args=("app:app", "-w", "2"),
        by="the package is installed, the library that it wraps is not",
    ),
    "native-library/from-another-system": Scenario(
        app(f"from fastmath import mean\n{HELLO}"),
        prepare=(
            "printf '\\317\\372\\355\\376\\014\\000\\000\\001' > fastmath.so; head -c 4096 /dev/zero >> fastmath.so",
        ),
        by="the extension was copied from a Mac",
    ),
    "tls-error/certificate-missing": Scenario(
        app(HELLO),
        args=(
            "app:app",
            "--certfile=/etc/letsencrypt/live/shop.example/fullchain.pem",
            "--keyfile=/etc/letsencrypt/live/shop.example/privkey.pem",
        ),
        by="the certificate is not where it is looked for",
    ),
    "tls-error/key-of-another": Scenario(
        app(HELLO),
        args=("app:app", "--certfile=shop.crt", "--keyfile=old.key"),
        prepare=PAIR,
        acts=("wait Booting worker", "sleep 1.5", "tls", "sleep 1"),
        seconds=5,
        only=("23.0.0", "27.0.1"),
        by="the key belongs to the certificate before",
    ),
    "tls-error/request-for-key": Scenario(
        app(HELLO),
        args=("app:app", "--certfile=shop.crt", "--keyfile=shop.csr", "-k", "gthread"),
        prepare=(*PAIR, "openssl req -new -key shop.key -subj /CN=shop.example -out shop.csr"),
        acts=("wait Booting worker", "sleep 1.5", "tls", "sleep 1"),
        seconds=5,
        by="the request for a certificate is given as its key",
    ),
    "address-in-use/another-server": Scenario(
        app(HELLO),
        args=("app:app", "-w", "2"),
        acts=("occupy",),
        by="the port is held by another server",
    ),
    "address-in-use/procfile-twice": Scenario(
        {
            **app(HELLO),
            "Procfile": "web: gunicorn -b 127.0.0.1:@PORT@ app:app\n"
            "api: sleep 1 && gunicorn -b 127.0.0.1:@PORT@ -k gthread app:app\n",
        },
        command=("{bin}/honcho", "start"),
        seconds=12,
        by="two services of one Procfile have the same port",
    ),
    "address-in-use/old-still-runs": Scenario(
        {**app(HELLO), "gunicorn.conf.py": "bind = '0.0.0.0:@PORT@'\nworkers = 2\n"},
        command=("sh", "-c", "{gunicorn} --daemon -p old.pid app:app; sleep 2; exec {gunicorn} app:app"),
        by="the daemon of the last deploy was never stopped",
    ),
    "bad-bind-address/elastic-ip": Scenario(
        app(HELLO),
        command=("{gunicorn}", "--bind", "203.0.113.24:8000", "-w", "2", "app:app"),
        by="it binds the public address, which the machine itself has not",
    ),
    "bad-bind-address/service-name": Scenario(
        {**app(HELLO), "gunicorn.conf.py": "bind = 'web.shop.internal:8000'\nworkers = 2\n"},
        command=("{gunicorn}", "app:app"),
        only=("23.0.0", "27.0.1"),
        by="it binds a name that nobody resolves here",
    ),
    "bad-bind-address/localhost-typo": Scenario(
        {
            **app(HELLO),
            "supervisord.conf": SUPERVISED.format("super", "%(ENV_GUNICORN)s --bind localhsot:8000 app:app"),
        },
        command=SUPERVISORD,
        seconds=10,
        by="the name in the unit's command is mistyped",
    ),
    "permission-denied/port-80": Scenario(
        app(HELLO),
        command=("{gunicorn}", "--bind", "0.0.0.0:80", "-w", "2", "app:app"),
        nobody=True,
        only=("23.0.0", "27.0.1"),
        by="an unprivileged user binds port 80",
    ),
    "permission-denied/access-log": Scenario(
        app(HELLO),
        args=("app:app", "--access-logfile", "/var/log/access.log", "--error-logfile", "-"),
        nobody=True,
        by="the user of the service may not write in /var/log",
    ),
    "permission-denied/media-folder": Scenario(
        app(
            "import os\n\nfrom flask import Flask\n\nUPLOADS = '/srv/media/uploads'\n"
            "app = Flask(__name__)\nos.makedirs(UPLOADS, exist_ok=True)\n"
        ),
        nobody=True,
        by="the app makes a folder where its user may not",
    ),
    "filesystem/disk-full": Scenario(
        app(
            "import json\n\nCATALOGUE = {number: f'article {number}' for number in range(5000)}\n"
            f"with open('data/catalogue.json', 'w') as cache:\n    json.dump(CATALOGUE, cache)\n{FLASK}"
        ),
        args=("app:app", "-k", "gthread"),
        prepare=("mkdir data; ln -s /dev/full data/catalogue.json",),
        by="the app writes a cache while it is loaded, and the disk is full",
    ),
    "filesystem/worker-tmp": Scenario(
        app(HELLO),
        args=("app:app", "--worker-tmp-dir", "/mnt/ram"),
        by="the folder for the workers' files is not mounted",
    ),
    "filesystem/logs-folder": Scenario(
        {
            "manage.py": "",
            "shop/__init__.py": "",
            "shop/settings.py": "SECRET_KEY = 'x'\nLOGGING = {'version': 1, 'handlers': {'file': {\n"
            "    'class': 'logging.FileHandler', 'filename': '/app/logs/django.log'}},\n"
            "    'root': {'handlers': ['file'], 'level': 'INFO'}}\n",
            "shop/wsgi.py": "import os\n\nfrom django.core.wsgi import get_wsgi_application\n\n"
            "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"
            "application = get_wsgi_application()\n",
        },
        args=("shop.wsgi:application",),
        by="Django logs into a folder that is not in the image",
    ),
    "resource-limit/descriptors-leak": Scenario(
        app(
            f"import urllib.request\n{FLASK}kept = []\n\n\n@app.get('/export')\ndef export():\n"
            "    for _ in range(20):\n        kept.append(open(__file__))\n    return 'ok'\n"
        ),
        command=(*LIMITED, "ulimit -n 64; exec {gunicorn} -b 127.0.0.1:{port} --access-logfile - app:app"),
        acts=(*SERVE, "get /export", "get /export", "get /export", "get /export", "sleep 1"),
        seconds=5,
        by="the app leaks descriptors until no more may be opened",
    ),
    "resource-limit/descriptors-few": Scenario(
        app(f"import socket\n\nsessions = [socket.socket() for _ in range(60)]\n{HELLO}"),
        command=(*LIMITED, "ulimit -n 48; exec {gunicorn} -b 127.0.0.1:{port} -w 2 app:app"),
        acts=BOOT,
        seconds=5,
        by="the limit of descriptors is below what the app's pool opens",
    ),
    "resource-limit/threads": Scenario(
        app(
            "import time\nfrom concurrent.futures import ThreadPoolExecutor\n\n"
            f"pool = ThreadPoolExecutor(200)\njobs = [pool.submit(time.sleep, 1) for _ in range(200)]\n{HELLO}"
        ),
        command=(*LIMITED, "ulimit -u 60; exec {gunicorn} -b 127.0.0.1:{port} app:app"),
        nobody=True,
        acts=BOOT,
        seconds=5,
        by="the user may not have as many threads as the pool starts",
    ),
    "illegal-instruction/import": Scenario(
        {**app(f"import fastvec\n{FLASK}"), **_native("fastvec", start="__builtin_trap();")},
        prepare=(COMPILE + "fastvec.c -o fastvec.so",),
        acts=("wait Booting worker", "sleep 2"),
        seconds=4,
        by="the import of a wheel that was built for another processor",
    ),
    "illegal-instruction/first-request": Scenario(
        {
            **app(f"import similarity\n{FLASK}@app.get('/near')\ndef near():\n    return str(similarity.run())\n"),
            **_native("similarity", body="__builtin_trap();"),
        },
        args=("app:app", "-k", "gthread", "--threads", "4", *ACCESS),
        prepare=(COMPILE + "similarity.c -o similarity.so",),
        acts=(*SERVE, "get /near", "sleep 1.5", "get /near", "sleep 1"),
        seconds=7,
        by="the first request that uses the vector unit",
    ),
    "illegal-instruction/faulthandler": Scenario(
        {**app(f"import torchlite\n{HELLO}"), **_native("torchlite", start="__builtin_trap();")},
        args=("app:app", "-w", "2"),
        environ={"PYTHONFAULTHANDLER": "1"},
        prepare=(COMPILE + "torchlite.c -o torchlite.so",),
        acts=("wait Booting worker", "sleep 1.5"),
        seconds=3,
        by="two workers import a library of another processor, with faulthandler on",
    ),
    "native-crash/request-segfault": Scenario(
        {
            **app(f"import imaging\n{FLASK}@app.get('/thumb')\ndef thumb():\n    return imaging.resize()\n"),
            **_native("imaging", call="resize", body="int *p = 0; *p = 1; Py_RETURN_NONE;"),
        },
        args=("app:app", "-w", "2", *ACCESS),
        prepare=(COMPILE + "imaging.c -o imaging.so",),
        acts=(*SERVE, "get /thumb", "sleep 1.5", "get /", "sleep 1"),
        seconds=7,
        by="a library writes where it may not, while it serves a request",
    ),
    "native-crash/free-invalid": Scenario(
        {
            **app(f"import lattice\n{HELLO}"),
            **_native("lattice", start="char *p = malloc(64); free(p + 16);"),
        },
        prepare=(COMPILE + "lattice.c -o lattice.so",),
        acts=("wait Booting worker", "sleep 2"),
        seconds=4,
        by="the C library finds the heap corrupt while a module is loaded",
    ),
    "native-crash/segfault-faulthandler": Scenario(
        {
            **app(
                f"import faulthandler\n\nimport xmlsec\n{FLASK}faulthandler.enable()\n\n\n"
                "@app.get('/sso')\ndef sso():\n    return xmlsec.verify()\n"
            ),
            **_native("xmlsec", call="verify", body="int *p = 0; *p = 1; Py_RETURN_NONE;"),
        },
        args=("app:app", "-k", "gthread", "--threads", "2"),
        prepare=(COMPILE + "xmlsec.c -o xmlsec.so",),
        acts=(*SERVE, "get /sso", "sleep 1.5"),
        seconds=6,
        by="two libraries disagree about a structure; faulthandler says where",
    ),
    "oom-kill/report": Scenario(
        app(
            f"{FLASK}rows = []\n\n\n@app.get('/report')\ndef report():\n"
            "    while True:\n        rows.append(bytearray(8 << 20))\n"
        ),
        args=("app:app", "-w", "2", *ACCESS),
        memory=160,
        acts=(*SERVE, "get /report", "sleep 2", "get /", "sleep 1"),
        seconds=10,
        by="a report needs more than the container may have",
    ),
    "oom-kill/model": Scenario(
        app(f"import numpy\n\nprint('Loading embeddings', flush=True)\nvectors = numpy.ones((60000, 1024))\n{FLASK}"),
        memory=200,
        acts=("wait Booting worker", "sleep 3"),
        seconds=6,
        by="each worker loads a model that is greater than the container's memory",
    ),
    "oom-kill/uvicorn": Scenario(
        app(
            "from fastapi import FastAPI\n\napp = FastAPI()\ncache = {}\n\n\n@app.get('/')\ndef index():\n"
            "    return 'ok'\n\n\n@app.get('/embed')\ndef embed():\n    for number in range(10**6):\n"
            "        cache[number] = 'x' * (4 << 20)\n    return len(cache)\n"
        ),
        args=("app:app", "-k", "uvicorn.workers.UvicornWorker", "-w", "2"),
        memory=280,
        acts=("wait startup complete", "sleep 2", "get /", "start /embed", "sleep 5", "get /"),
        seconds=12,
        by="a cache without bounds grows until the kernel kills the worker",
    ),
    "none/stop-at-night": Scenario(
        app(HELLO),
        args=("app:app", "-w", "3"),
        acts=STOP,
        by="a boot and an ordered stop",
    ),
    "none/reload-hup": Scenario(
        app(FLASK),
        args=("app:app", "-w", "2", *ACCESS),
        acts=(*SERVE, "signal HUP", "sleep 2", "get /", "signal TERM"),
        by="a deploy by HUP: new workers, and the old ones go",
    ),
}
