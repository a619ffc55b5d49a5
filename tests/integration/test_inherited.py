"""What workers inherit of a preloaded app: a start refused, a client opened later, strangers left alone."""

from __future__ import annotations

import json
import signal

import pytest

from tests.integration.forks import run
from tests.integration.harness import wait_until

RAW = """
import os, threading
import psycopg

class Repository:
    def __init__(self):
        self.db = None

    def open(self):
        self.db = psycopg.connect(os.environ["URL"], autocommit=True)

REPOSITORY = Repository()

def late():
    while not os.path.exists("open-it"):
        threading.Event().wait(0.02)
    REPOSITORY.open()
    open("opened", "w").close()
    while True:
        try:
            line = "%d" % REPOSITORY.db.execute("select pg_backend_pid()").fetchone()[0]
        except Exception as exc:
            line = "error %r" % exc
        with open("beats", "a") as file:
            file.write(line + "\\n")
        threading.Event().wait(0.02)

if "LATE" in os.environ:
    threading.Thread(target=late, daemon=True).start()
else:
    REPOSITORY.open()

def app(environ, start_response):
    try:
        number = int(environ["PATH_INFO"][1:])
        status = "200 OK"
        body = "%d" % REPOSITORY.db.execute("select %d, pg_sleep(0.002)" % number).fetchone()[0]
    except Exception as exc:
        status, body = "500 Oh", type(exc).__name__
    start_response(status, [("Content-Type", "text/plain")])
    return [body.encode()]
"""


@pytest.fixture
def raw(serve, python, postgres):
    """Start an app that holds a driver's own connection."""
    if "psycopg" not in python.has:
        pytest.skip("psycopg is not installed there")
    url = postgres.url("postgresql", user="app", database="app", query="sslmode=disable")

    def start(*, workers=2, **environ):
        return serve(app=RAW, workers=workers, options=["--preload"], environ={"URL": url, **environ})

    return start


def findings_of(report):
    """Return code and severity of a report's findings about inherited connections."""
    return [(item["code"], item["severity"]) for item in report["findings"] if item["code"].startswith("BC20")]


def test_a_raw_connection_refuses_the_start(raw, postgres):
    """Exit code 78, one report, no worker, and the name under which the connection is held."""
    server = raw()
    assert server.wait() == 78
    report = server.death()

    assert (report["role"], report["verdict"]["cause"], report["verdict"]["code"]) == (
        "master",
        "check_failed",
        "BC202",
    )
    assert report["step"] == "check.inherited_connections"
    assert "Booting worker" not in server.stderr
    said = report["verdict"]["summary"]
    assert "app.REPOSITORY.db" in said
    assert f"{postgres.host}:{postgres.port}" in said
    assert any("post_worker_init" in action for action in report["verdict"]["action"])
    assert server.leftovers() == []
    assert server.reports("boot") == []


def test_observing_only_the_answers_are_errors_and_never_somebody_elses(raw):
    """Nothing is stopped; what would have stopped the start is said; no worker reads another one's rows."""
    server = raw(BOOTCHECK_ENFORCE="observe").wait_ready(2)
    server.wait_for_line("observing only: 1 of these findings would have stopped the start")
    answers = {server.get(f"/{number}") for number in range(8)}
    assert server.stop() == 0

    assert answers == {(500, b"OperationalError")}
    for boot in server.reports("boot", "worker"):
        assert findings_of(boot) == [("BC202", "warning")]
        assert [guard["action"] for guard in boot["guards"] if guard["name"] == "fresh_pools"] == ["cut"]
    assert server.reports("crash") == []


def test_one_worker_keeps_its_raw_connection(raw):
    """It works today: it is mentioned, and nothing else."""
    server = raw(workers=1).wait_ready()
    answers = [server.get(f"/{number}") for number in range(3)]
    assert server.stop() == 0

    assert answers == [(200, b"0"), (200, b"1"), (200, b"2")]
    (boot,) = server.reports("boot", "worker")
    assert findings_of(boot) == [("BC202", "info")]
    assert [guard["action"] for guard in boot["guards"] if guard["name"] == "fresh_pools"] == ["reported"]


def test_one_that_is_opened_later_stops_nobody(raw):
    """A later fork shows it: reported, and the master's thread goes on with the very same connection."""
    server = raw(LATE="1").wait_ready(2)
    (server.home / "open-it").touch()
    wait_until((server.home / "opened").exists, lambda: "the connection" + server.story())
    server.signal(signal.SIGTTIN)
    server.wait_ready(3)
    third = server.reports("boot", "worker")[-1]
    beats = server.home / "beats"
    before = len(beats.read_text().splitlines())
    wait_until(lambda: len(beats.read_text().splitlines()) > before + 10, "more heartbeats")
    assert server.stop() == 0

    assert findings_of(third) == [("BC202", "warning")]
    assert len(set(beats.read_text().splitlines())) == 1
    assert server.reports("crash") == []


STRANGERS = """
import asyncio, logging, logging.handlers, multiprocessing, random, socket
from bootcheck.probes.sockets import connected

server = socket.create_server(("127.0.0.1", 0))
where = server.getsockname()
kept = []

def accepted():
    peer, _ = server.accept()
    peer.settimeout(20)
    return peer

def pair():
    mine, theirs = socket.socketpair()
    return lambda: mine.sendall(b"pair"), lambda: theirs.recv(9), (mine, theirs)

def duplex():
    mine, theirs = multiprocessing.Pipe(duplex=True)
    return lambda: mine.send(b"duplex"), theirs.recv, (mine, theirs)

def self_pipe():
    loop = asyncio.new_event_loop()
    return lambda: loop._write_to_self(), lambda: loop._ssock.recv(9), (loop,)

def debugger():
    mine = socket.create_connection(where)
    theirs = accepted()
    return lambda: mine.sendall(b"debugger"), lambda: theirs.recv(99), (mine, theirs)

def syslog():
    handler = logging.handlers.SysLogHandler(where, socktype=socket.SOCK_STREAM)
    theirs = accepted()
    record = logging.makeLogRecord({"msg": "syslog"})
    return lambda: handler.emit(record), lambda: theirs.recv(99), (handler, theirs)

def socket_handler():
    handler = logging.handlers.SocketHandler(*where)
    handler.createSocket()
    theirs = accepted()
    return lambda: handler.sock.sendall(b"handler"), lambda: theirs.recv(99), (handler, theirs)

def statsd():
    theirs = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    theirs.bind(("127.0.0.1", 0))
    theirs.settimeout(20)
    mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    mine.connect(theirs.getsockname())
    return lambda: mine.send(b"c:1|c"), lambda: theirs.recv(99), (mine, theirs)

def listener():
    mine = socket.create_server(("127.0.0.1", 0))
    def send():
        client = socket.create_connection(mine.getsockname())
        peer, _ = mine.accept()
        peer.sendall(b"listener")
        return client.recv(99)
    return send, lambda: b"nothing to read here", (mine,)

def client_of_ours():
    mine = socket.create_connection(where)
    theirs = accepted()
    return lambda: theirs.sendall(b"accepted"), lambda: mine.recv(99), (mine, theirs)

KINDS = [pair, duplex, self_pipe, debugger, syslog, socket_handler, statsd, listener, client_of_ours]
PLACES = []

def inodes():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink("/proc/self/fd/" + name)
        except OSError:
            pass
    return found
"""


def test_only_identified_clients_are_touched(postgres):
    """Any mixture of real strangers beside a pool and a raw connection: a child loses these two and nothing more.

    A property over mixtures that a seed draws; a stranger is held in whatever place the app has for it.
    """
    pytest.importorskip("sqlalchemy")
    told = run(
        postgres.url("postgresql+psycopg", user="app", database="app", query="sslmode=disable"),
        """
        import psycopg
        from sqlalchemy import create_engine, text
        draw = random.Random(11)
        # A stranger of an earlier round must not be closed by a collection in the middle of a later one.
        gc.disable()
        engine = create_engine(url)
        problems, rounds = [], 0
        for _ in range(12):
            rounds += 1
            mixture = [kind() for kind in draw.sample(KINDS, draw.randint(1, len(KINDS)))]
            held = engine.connect()
            held.execute(text("select 1"))
            raw = psycopg.connect(url.replace("+psycopg", "")) if draw.random() < 0.5 else None
            PLACES[:] = [mixture, {"raw": raw}]
            snapshot = fresh_pools.before_fork(2)
            known = {item.fd for item in snapshot.inherited if item.owner is not None}
            expected = {held.connection.dbapi_connection.fileno()} | ({raw.fileno()} if raw else set())

            def body():
                before = inodes()
                done = fresh_pools.in_child(snapshot, recorder)
                after = inodes()
                changed = {fd for fd in before if before[fd].startswith("socket:") and after.get(fd) != before[fd]}
                for send, receive, things in mixture:
                    send()
                touched = {one["fd"] for one in done if one["action"] in ("cut", "neutralised")}
                return sorted(changed), sorted(touched)

            changed, touched = in_fork(body)
            said = [receive() for send, receive, things in mixture]
            if not (set(changed) == set(touched) == known == expected) or not all(said):
                problems.append([changed, touched, sorted(known), sorted(expected), repr(said)])
            if held.execute(text("select 2")).scalar() != 2 or (raw and raw.execute("select 3").fetchone() != (3,)):
                problems.append("the master's own connection is gone")
            held.close()
            if raw:
                raw.close()
        print(json.dumps({"problems": problems, "rounds": rounds}))
        """,
        STRANGERS,
    )

    assert told == {"problems": [], "rounds": 12}


def test_a_stranger_is_reported_with_the_name_that_holds_it(postgres):
    """A logging handler's socket: an address, and a way to it from a module."""
    told = run(
        postgres.url("postgresql", user="app", database="app"),
        """
        handler = logging.handlers.SocketHandler(*where)
        handler.createSocket()
        logging.getLogger("audit").addHandler(handler)
        snapshot = fresh_pools.before_fork(2)
        refused = fresh_pools.before_start(2)
        found = [finding.as_dict() for finding in fresh_pools.findings(snapshot)]
        seen = [[item.owner, item.holder] for item in snapshot.inherited]
        print(json.dumps({"found": found, "seen": seen, "refused": len(refused)}))
        """,
        STRANGERS,
    )

    assert told["refused"] == 0
    assert told["seen"] == [[None, "__main__.handler.sock"]]
    (finding,) = told["found"]
    assert (finding["code"], finding["severity"]) == ("BC204", "warning")
    assert "__main__.handler.sock" in finding["evidence"][0]["text"]


def test_what_is_marked_as_meant_to_be_inherited_is_left_alone(postgres):
    """`fork_safe`: neither refused nor reported nor touched, at the first fork and at the next."""
    told = run(
        postgres.url("postgresql", user="app", database="app"),
        """
        import psycopg
        from bootcheck.marks import fork_safe
        db = fork_safe(psycopg.connect(url))
        other = psycopg.connect(url)
        line = fork_safe(socket.create_connection(where))
        refused = fresh_pools.before_start(2)
        seen = [[item.holder for item in fresh_pools.before_fork(2).inherited] for _ in range(2)]
        print(json.dumps({"refused": [finding.summary for finding in refused], "seen": seen}))
        """,
        STRANGERS,
    )

    assert told["seen"] == [["__main__.other"]] * 2
    (summary,) = told["refused"]
    assert "__main__.other" in summary
    assert "__main__.db" not in summary


# -- processes that a worker forks itself


OWN = """
import multiprocessing
from sqlalchemy import create_engine, text
from bootcheck.gunicorn import hooks
hooks.watch_own_forks()
WHO = text("select pg_backend_pid()")
engine = create_engine(url)

def who():
    with engine.connect() as connection:
        return connection.execute(WHO).scalar()

def job(queue):
    queue.put([who(), who()])
"""


def test_a_process_that_a_worker_forks_has_connections_of_its_own(postgres):
    """By multiprocessing and os.fork; the worker's own connections are neither closed nor renewed."""
    pytest.importorskip("sqlalchemy")
    told = run(
        postgres.url("postgresql+psycopg", user="app", database="app"),
        """
        mine = who()
        children = []
        for _ in range(2):
            context = multiprocessing.get_context("fork")
            queue = context.SimpleQueue()
            process = context.Process(target=job, args=(queue,))
            process.start()
            children.append(queue.get())
            process.join()
        children.append(in_fork(lambda: [who(), in_fork(who)]))
        loaded = "bootcheck.guards.own_forks" in sys.modules
        print(json.dumps({"mine": mine, "after": who(), "children": children, "loaded": loaded}))
        """,
        OWN,
    )

    assert told["after"] == told["mine"]
    first, second, third = told["children"]
    assert first[0] == first[1]
    assert len({told["mine"], first[0], second[0], *third}) == 5


def test_a_drivers_connection_goes_on_in_a_process_that_a_worker_forks(postgres):
    """The app may have forked for that: it works today."""
    told = run(
        postgres.url("postgresql+psycopg", user="app", database="app", query="sslmode=disable"),
        """
        import psycopg
        raw = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
        ask = lambda: raw.execute("select pg_backend_pid()").fetchone()[0]
        mine = ask()
        print(json.dumps([mine, in_fork(ask), ask()]))
        sys.stdout.flush()
        os._exit(0)
        """,
        OWN,
    )

    assert len(set(told)) == 1


def test_a_worker_that_forks_without_a_client_loads_nothing():
    """Nothing is imported, and nothing is looked at."""
    told = run(
        "",
        """
        from bootcheck.gunicorn import hooks
        hooks.watch_own_forks()
        before = set(sys.modules)
        in_fork(lambda: 1)
        print(json.dumps(sorted(set(sys.modules) - before)))
        """,
    )

    assert told == []


def test_a_program_that_a_worker_starts_is_no_such_process(postgres):
    """With `preexec_fn` subprocess forks as well; what it starts keeps no descriptor."""
    told = run(
        postgres.url("postgresql+psycopg", user="app", database="app"),
        """
        import subprocess
        from bootcheck.guards import own_forks
        looks = []
        real = own_forks.fresh_pools.before_own_fork
        own_forks.fresh_pools.before_own_fork = lambda: (looks.append(1), real())[1]
        mine = who()
        subprocess.run([sys.executable, "-c", "pass"], preexec_fn=lambda: None, check=True)
        programs = len(looks)
        in_fork(lambda: 1)
        print(json.dumps([programs, len(looks), who() == mine]))
        """,
        OWN,
    )

    assert told == [0, 1, True]


FORKING = """
import json, os, multiprocessing
from sqlalchemy import create_engine, text

engine = create_engine(os.environ["URL"])

def ask(n):
    with engine.connect() as connection:
        row = connection.execute(text("select pg_backend_pid(), %d, pg_sleep(0.002)" % n)).first()
    return list(row)[:2]

def job(queue):
    queue.put([ask(n) for n in range(20)])

def app(environ, start_response):
    context = multiprocessing.get_context("fork")
    ask(0)
    queue = context.SimpleQueue()
    processes = [context.Process(target=job, args=(queue,)) for _ in range(2)]
    for process in processes:
        process.start()
    mine = [ask(n) for n in range(20)]
    told = [mine, queue.get(), queue.get()]
    for process in processes:
        process.join()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
"""


def test_multiprocessing_in_a_request(serve, python, postgres):
    """A worker and two processes that it forks ask at once, each over its own session, and each gets its own rows."""
    if not {"sqlalchemy", "psycopg"} <= python.has:
        pytest.skip("SQLAlchemy and psycopg are not installed there")
    url = postgres.url(user="app", database="app", query="sslmode=disable")
    server = serve(app=FORKING, environ={"URL": url}).wait_ready()
    told = [json.loads(server.get("/")[1]) for _ in range(2)]
    assert server.stop() == 0

    for answers in told:
        assert [[number for _, number in one] for one in answers] == [list(range(20))] * 3
        sessions = [{session for session, _ in one} for one in answers]
        assert [len(one) for one in sessions] == [1, 1, 1]
        assert len(set.union(*sessions)) == 3
    assert server.reports("crash") == []
