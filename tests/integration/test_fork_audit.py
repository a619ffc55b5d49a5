"""What a preloaded app would hand its workers: found in the master, by real things, before the first fork."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.integration.harness import ARMED, Interpreter, Server

APP = """
import os, sys, threading, time

KINDS = os.environ["KINDS"].split(",")


def has(kind):
    return kind in KINDS


def beat():
    while True:
        time.sleep(3600)


def start(name, target=beat):
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


if has("thread"):
    start("heartbeat")
if has("marked"):
    import bootcheck
    bootcheck.fork_safe(start("master-only"))
if has("executor"):
    from concurrent.futures import ThreadPoolExecutor
    EXECUTOR = ThreadPoolExecutor(2)
    EXECUTOR.submit(int).result()
if has("listener"):
    import logging.handlers, queue
    LISTENER = logging.handlers.QueueListener(queue.Queue(), logging.NullHandler())
    LISTENER.start()
if has("scheduler"):
    from apscheduler.schedulers.background import BackgroundScheduler
    SCHEDULER = BackgroundScheduler(timezone="UTC")
    SCHEDULER.start()
if has("native"):
    import ctypes
    libc = ctypes.CDLL(None)
    number = ctypes.c_ulong()
    pause = ctypes.cast(libc.pause, ctypes.c_void_p)
    libc.pthread_create(ctypes.byref(number), None, pause, None)
    libc.pthread_setname_np(number, b"driver-io")
if has("openmp"):
    import ctypes
    body = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p)
    ctypes.CDLL("libgomp.so.1").GOMP_parallel(body, None, 4, 0)
if has("lock"):
    LOCK = threading.Lock()

    class Cache:
        lock = threading.RLock()

    def hold():
        with LOCK, Cache.lock:
            beat()
    start("holder", hold)
    while not (LOCK.locked() and "count=1" in repr(Cache.lock)):
        time.sleep(0.01)
if has("loop"):
    import asyncio
    LOOP = asyncio.new_event_loop()
if has("temporary"):
    import tempfile
    DIRECTORY = tempfile.TemporaryDirectory(dir=".", prefix="scratch-")
    FILE = tempfile.NamedTemporaryFile(dir=".", prefix="upload-")
if has("exit"):
    import atexit
    atexit.register(open, "ended", "a")
if has("random"):
    import random, numpy
    numpy.random.seed(7)
    RNG = numpy.random.default_rng(7)
    JITTER = random.Random(7)
if has("cuda"):
    import types
    sys.modules["torch.cuda"] = types.SimpleNamespace()
    stand_in = types.ModuleType("torch.cuda")
    stand_in._initialized = True
    sys.modules["torch.cuda"] = stand_in
if has("heap"):
    HEAP = [{"n": [n]} for n in range(150_000)]


def app(environ, start_response):
    path = environ["PATH_INFO"]
    body = b"hello"
    if path == "/draw":
        body = b"%r %r %r" % (numpy.random.random(), RNG.random(), JITTER.random())
    start_response("200 OK", [])
    return [body]
"""
LATE = """
import threading, time
started = []

def late():
    time.sleep(3600)

def pre_fork(server, worker):
    started.append(worker)
    if len(started) >= 3:
        threading.Thread(target=late, name="late-%d" % len(started), daemon=True).start()
"""
TELLING = """
import sys

def post_fork(server, worker):
    found = [name for name in sys.modules if "audit" in name or "probes.objects" in name]
    server.log.info("audit modules: %s", found)
"""
FIRST = ("thread", "executor", "listener", "scheduler", "native", "openmp", "lock", "marked")
SECOND = ("loop", "temporary", "exit", "random", "cuda", "heap")
NEEDS = {"scheduler": "apscheduler", "random": "numpy"}


def kinds(names: tuple[str, ...], python: Interpreter) -> dict[str, str]:
    """Return the environment that switches these kinds on; skip where one cannot be made here."""
    for name in names:
        module = NEEDS.get(name)
        if module is not None and module not in python.has:
            pytest.skip(f"{module} is not installed there")
    return {"KINDS": ",".join(names)}


def findings(server: Server) -> dict[str, list[dict[str, Any]]]:
    """Return what the master's boot report says, by code."""
    (report,) = server.wait_for_reports("boot", role="master")
    for point in report["checkpoints"]:
        assert "failed" not in point["detail"], point
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in report["findings"]:
        found.setdefault(finding["code"], []).append(finding)
    return found


def preloaded(serve: Any, names: tuple[str, ...], python: Interpreter, **options: Any) -> Server:
    """Start a preloaded server with these kinds and wait for its workers."""
    workers = options.pop("workers", 2)
    more = options.pop("options", ())
    server = serve(app=APP, workers=workers, options=("--preload", *more), environ=kinds(names, python), **options)
    server.wait_ready(workers)
    return server


def test_background_work_native_threads_and_locks_are_found(serve, python):
    """Eight real things in one master: each is named with its place, the marked one is not, and all are warned of."""
    pytest.importorskip("ctypes").CDLL("libgomp.so.1")
    server = preloaded(serve, FIRST, python)
    found = findings(server)

    assert set(found) - {"BC226"} == {"BC205", "BC206", "BC207", "BC208", "BC209", "BC223"}
    assert all(one["severity"] == "warning" for code in found if code != "BC226" for one in found[code])
    (threads,) = found["BC205"]
    assert "heartbeat" in threads["summary"]
    assert "master-only" not in str(found)
    assert any(item["source"].endswith(f"app.py:{line_of('def beat')}") for item in threads["evidence"])
    assert "ThreadPoolExecutor" in found["BC209"][0]["summary"]
    services = " ".join(one["summary"] for one in found["BC223"])
    assert "QueueListener" in services
    assert "BackgroundScheduler" in services
    assert "driver-io" in found["BC206"][0]["summary"]
    assert "libgomp" in str(found["BC207"][0]["evidence"])
    (locks,) = found["BC208"]
    assert {item["source"] for item in locks["evidence"]} == {"app.LOCK", "app.Cache.lock"}
    assert "holder" in str(locks["evidence"])
    assert locks["confidence"] == "low"
    assert "warning: The thread" in server.stderr or "threads (" in server.stderr


def line_of(text: str) -> int:
    """Return the line of the app in which a text stands."""
    return next(number for number, line in enumerate(APP.splitlines(), 1) if text in line)


def test_what_is_shared_or_copied_is_found(serve, python):
    """Six more: loop, temporary files, exit handlers, random numbers, CUDA (a stand-in for torch), a large heap."""
    server = preloaded(serve, SECOND, python)
    found = findings(server)

    assert set(found) == {"BC224", "BC225", "BC226", "BC227", "BC228", "BC229"}
    severities = {code: found[code][0]["severity"] for code in found}
    assert {code for code in severities if severities[code] == "info"} == {"BC226", "BC229"}
    assert found["BC224"][0]["evidence"][0]["source"] == "app.LOOP"
    assert "scratch-" in found["BC225"][0]["summary"]
    assert "upload-" in found["BC225"][0]["summary"]
    assert {"source": "app", "line": None, "text": "uses atexit"} in found["BC226"][0]["evidence"]
    sources = {item["source"]: item["text"] for item in found["BC227"][0]["evidence"]}
    assert set(sources) == {"numpy.random", "app.RNG", "app.JITTER"}
    assert "seeded" in sources["numpy.random"]
    assert "torch" in found["BC228"][0]["evidence"][0]["text"]
    assert "MB" in found["BC229"][0]["summary"]


def draws(server: Server) -> dict[int, str]:
    """Return the first numbers that each of two workers draws."""
    first, second = server.workers()
    told: dict[int, str] = {}
    for pid, other in ((first, second), (second, first)):
        os.kill(other, signal.SIGSTOP)
        try:
            told[pid] = server.get("/draw")[1].decode()
        finally:
            os.kill(other, signal.SIGCONT)
    return told


def test_random_numbers_repeat_in_every_worker_and_reseeding_is_a_choice(serve, python):
    """Without it both workers draw the same from all three sources, with it none is the same; the guard is told."""
    plain = preloaded(serve, ("random",), python)
    first, second = draws(plain).values()
    assert first == second

    config = ARMED.replace("arm(globals())", "arm(globals(), reseed=True)")
    server = preloaded(serve, ("random",), python, config=config)
    first, second = draws(server).values()
    assert not set(first.split()) & set(second.split())
    (finding,) = findings(server)["BC227"]
    assert finding["severity"] == "info"
    for report in server.reports("boot", "worker"):
        done = {guard["source"] for guard in report["guards"] if guard["name"] == "reseed"}
        assert done == {"numpy.random", "app.RNG", "app.JITTER"}


def test_with_one_worker_the_same_is_information(serve, python):
    """It may be meant, and it works today: nothing is printed, the report has it."""
    server = preloaded(serve, ("thread", "executor"), python, workers=1)
    found = findings(server)

    assert {"BC205", "BC209"} <= set(found)
    assert {one["severity"] for ones in found.values() for one in ones} == {"info"}
    assert "BC205" not in server.stderr


def test_a_thread_that_comes_later_is_told_at_the_next_fork_once(serve, python):
    """Started by a hook, anew for each fork after the first two: one line, and none for what was told before."""
    server = preloaded(serve, ("thread",), python, config=ARMED + LATE)
    assert "heartbeat" in findings(server)["BC205"][0]["summary"]
    for ready in (3, 4):
        os.kill(server.workers()[0], signal.SIGTERM)
        server.wait_ready(ready)
    told = [line for line in server.stderr.splitlines() if "BC205" in line]
    assert ["heartbeat" in line for line in told] == [True, False], told
    assert "late-3" in told[1]


def test_greenlets_of_a_patched_master_are_no_lost_threads(serve, python):
    """Where the configuration patches the master, threads are gevent's: a fork copies them, and nothing is said."""
    config = "from gevent import monkey\nmonkey.patch_all()\n" + ARMED
    server = preloaded(serve, ("thread",), python, config=config, worker_class="gevent")

    assert findings(server) == {}


def test_without_preload_nothing_of_it_is_loaded(serve, python):
    """A server that imports its app in the workers has nothing to look at, and pays for nothing."""
    server = serve(app=APP, config=ARMED + TELLING, workers=2, environ={"KINDS": "thread"})
    server.wait_ready(2)
    server.wait_for_line(r"audit modules: \[\]")
    assert findings(server) == {}


LIBRARIES = """
import os
import sentry_sdk
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import Counter, make_wsgi_app
from flask import Flask

sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, auto_session_tracking=True)
sentry_sdk.capture_message("started")
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=50))
meters = MeterProvider([PeriodicExportingMetricReader(ConsoleMetricExporter(out=open(os.devnull, "w")))])
counter = Counter("requests", "requests")
metrics = make_wsgi_app()
with provider.get_tracer("import").start_as_current_span("import"):
    counter.inc()
app = Flask("shop")

@app.route("/")
def hello():
    return "hello"

@app.route("/spans")
def spans():
    with provider.get_tracer("request").start_as_current_span("request-%d" % os.getpid()):
        pass
    provider.force_flush()
    return " ".join(span.name for span in exporter.get_finished_spans())
"""
DJANGO = """
from django.conf import settings
settings.configure(SECRET_KEY="x" * 60, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("hello"))]
app = get_wsgi_application()
"""
FLASK = """
from flask import Flask
app = Flask("shop")

@app.route("/")
def hello():
    return "hello"
"""


@pytest.mark.parametrize(
    ("app", "modules"),
    [
        (FLASK, ("flask",)),
        (DJANGO, ("django",)),
        (LIBRARIES, ("flask", "sentry_sdk", "opentelemetry.sdk", "prometheus_client")),
    ],
    ids=["flask", "django", "sentry-opentelemetry-prometheus"],
)
def test_ordinary_apps_give_no_warning(serve, python, app, modules):
    """Their libraries look after a fork themselves: what OpenTelemetry's thread does, it does in each worker."""
    for module in modules:
        if module not in python.has:
            pytest.skip(f"{module} is not installed there")
    server = serve(app=app, workers=2, options=("--preload",))
    server.wait_ready(2)

    found = findings(server)
    warned = [one for ones in found.values() for one in ones if one["severity"] != "info"]
    assert warned == []
    assert app is LIBRARIES or found == {}, "a plain app is not even informed of anything"
    assert server.get("/")[1] == b"hello"
    if app is LIBRARIES:
        (report,) = server.reports("boot", "master")
        (audit,) = [point for point in report["checkpoints"] if point["name"] == "fork.audit"]
        assert audit["detail"]["threads"], "it has threads, so that there is something not to warn of"
        assert "request-" in server.get("/spans")[1].decode()
