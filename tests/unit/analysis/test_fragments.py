"""Logs of which only a part was pasted: what can still be told, and what must not be."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, NO_FLASK, SITE, TERM, frame, raising, start

NO_LIBRARY = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory\n"
TRACE = "Traceback (most recent call last):\n" + frame(SITE + "cv2/__init__.py") + NO_LIBRARY
HALTED = frame(SITE + "gunicorn/arbiter.py", "run", "self.sleep()") + frame(
    SITE + "gunicorn/arbiter.py", "reap_workers", "raise HaltServer(reason, self.WORKER_BOOT_ERROR)"
)


@pytest.mark.parametrize("text", [NO_LIBRARY, TRACE, TRACE.partition("\n")[2], TRACE.replace("\n", "\n\n")])
def test_an_exception_alone_tells_its_mechanism(text: str):
    """Where nothing in the log shows a server that went on."""
    assert classes(told(text)) == [("native-library", 1)]


@pytest.mark.parametrize(
    "text",
    [
        TRACE + start() + GET + TERM,
        start() + GET + TRACE + TERM,
        "".join(f"jobs-1 | {line}\n" for line in TRACE.splitlines())
        + "".join(f"web-1  | {line}\n" for line in (start() + GET).splitlines()),
    ],
    ids=["before a start", "while it serves", "of another container"],
)
def test_it_is_nobodys_death_where_a_server_ran(text: str):
    """A script before the start, another container, or a thread may have printed it."""
    found = told(text)

    assert found.incidents == ()
    assert [item.template.partition(":")[0] for item in found.unexplained] == ["ImportError"]


def test_an_exception_alone_of_an_unknown_mechanism_is_unexplained():
    """That a process died of it is not known."""
    found = told("ShopError: the shelf is empty\n")

    assert found.incidents == ()
    assert [item.template for item in found.unexplained] == ["ShopError: the shelf is empty"]


def test_what_was_raised_stands_in_the_last_line_of_code():
    """The log ends before the exception's own line."""
    text = raising("").partition("    from shop import create_app")[0]
    (incident,) = told(text + '    raise ShopError("the shelf is empty")\n').incidents

    assert incident.cause_class == "app-exception"
    assert "ShopError: the shelf is empty" in incident.summary


def test_a_cut_traceback_names_its_place():
    """Of the exception nothing is invented."""
    (incident,) = told(raising("").partition("    from shop import create_app")[0]).incidents

    assert incident.cause_class == "app-exception"
    assert "/srv/shop/wsgi.py:4" in incident.summary


def test_a_repeated_start_that_is_cut_is_like_the_one_before():
    """A supervisor starts it anew, and the log ends within the second traceback."""
    first = raising(NO_FLASK)
    found = told(first + first.partition("    from shop")[0])

    assert classes(found) == [("dependency-missing", 2)]


def test_what_was_raised_stands_above_the_first_line_and_the_second_telling_is_cut():
    """The paste begins within one traceback and ends within the next, which tells the same again."""
    first = frame("/srv/shop/wsgi.py", "<module>", "import flask") + NO_FLASK + "\n"
    text = raising("").partition("Booting worker with pid: 11\n")[2].partition("    from shop import create_app")[0]

    assert classes(told(first + text)) == [("dependency-missing", 1)]


def test_a_halt_alone_says_that_a_worker_failed_to_boot():
    """The last lines of a status: a consequence, so the cause stays unknown."""
    found = told(HALTED + "gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>\n")

    assert [(item.cause_class, item.confidence) for item in found.incidents] == [("app-exception", "low")]


def test_lines_cut_at_the_edge_of_a_pager_are_frames():
    """`systemctl status` and `journalctl` cut what is too long for the screen."""
    head = "Nov 27 09:00:01 web gunicorn[812]: "
    lines = (
        '  File "/srv/venv/lib/python3.12/site-packages/gunicorn/arbi>',
        "    worker.init_process()",
        '  File "/srv/venv/lib/python3.12/site-packages/gunicorn/workers/base.py", line 136, in init_p>',
        "    self.load_wsgi()",
        '  File "/srv/shop/wsgi.py", line 3, in <module>',
        "    import cv2",
        NO_LIBRARY.rstrip(),
    )

    assert classes(told("".join(f"{head}{line}\n" for line in lines))) == [("native-library", 1)]


REFUSED = (
    "Traceback (most recent call last):\n"
    + frame("/srv/shop/setup.py", "prepare", "os.mkdir(path)")
    + "PermissionError: [Errno 13] Permission denied: '/srv/data/sessions'\n"
)


def test_what_a_script_met_before_a_start_of_which_nothing_more_is_known():
    """The log ends before any worker is started: what was seen before it is all there is."""
    listening = start().partition("[2026-11-27 09:00:00 +0000] [11]")[0]

    assert classes(told(REFUSED + listening)) == [("permission-denied", 1)]
    assert classes(told(REFUSED + start() + GET + TERM)) == []


COMPLAINT = (
    "ERROR  : Failed to create the directory /srv/data/sessions:\n"
    "           [Errno 13] Permission denied: '/srv/data/sessions'\n"
)


@pytest.mark.parametrize("between", ["", "27/11/2026 09:00:03\n"])
def test_a_worker_that_exits_without_a_word_and_an_app_that_says_why(between: str):
    """The app prints over two lines what it met; a worker that exits alone is not known to have died."""
    gone = "[2026-11-27 09:00:03 +0000] [11] [INFO] Worker exiting (pid: 11)\n"
    complaint = COMPLAINT.replace("\n", "\n" + between, 1)

    assert classes(told(start() + gone + complaint)) == [("permission-denied", 1)]
    assert classes(told(start() + gone)) == []
    assert classes(told(start() + gone + "ERROR  : it rains:\n           all day\n")) == []
    assert classes(told(start() + GET + complaint + TERM)) == []


def test_a_driver_with_a_capital_that_is_quoted_alone():
    """As SQLAlchemy quotes it, and nothing around it."""
    assert classes(told("(MySQLdb.OperationalError) (1049, \"Unknown database 'shop'\")\n")) == [("db-auth-failed", 1)]


def test_one_member_of_a_json_object_between_ticks():
    """As a person quotes a line of a viewer."""
    text = '`"message":"redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused."`\n'

    assert classes(told(text)) == [("backend-unavailable", 1)]


def test_a_platform_that_waited_for_a_port():
    """Nothing more is known than that the start took too long; an app that raised is the cause."""
    waited = "==> Port scan timeout reached, no open ports detected. Bind your service to at least one port.\n"

    assert [name for name, _ in classes(told(waited))] == ["boot-timeout"]
    assert [name for name, _ in classes(told(raising(NO_FLASK) + waited))] == ["dependency-missing"]


QUOTED = [
    (
        "db-auth-failed",
        'ERROR:root:no rows: (psycopg2.OperationalError) FATAL:  password authentication failed for user "a"',
    ),
    (
        "db-too-many-connections",
        '"exc_value": "connection failed: FATAL:  sorry, too many clients already", "frames": [',
    ),
    ("db-schema-missing", "Task orders.sync raised unexpected: ProgrammingError('relation \"orders\" does not exist')"),
    (
        "db-unreachable",
        'psql: error: could not translate host name "db" to address: Temporary failure in name resolution',
    ),
    (
        "backend-unavailable",
        "Redis ping failed: Error -5 connecting to cache:6379. No address associated with hostname",
    ),
    ("db-forked-connection", 'ERROR worker: task 7 failed: (2014, "Commands out of sync; try again")'),
    ("db-too-many-connections", "ERROR worker: task 7 failed: (1040, 'Too many connections')"),
]


@pytest.mark.parametrize(("expected", "line"), QUOTED)
def test_what_a_line_quotes_where_nothing_else_is_known(expected: str, line: str):
    """No server is seen, and no exception stands on a line of its own."""
    assert classes(told(f"Waiting for services\n{line}\n")) == [(expected, 1)]


@pytest.mark.parametrize("line", [line for _, line in QUOTED])
def test_what_a_line_quotes_is_nothing_beside_a_server(line: str):
    """Before a start it was a wait; in a server that goes on, one of its errors."""
    assert classes(told(f"{line}\n{start()}{GET}{TERM}")) == []
    assert classes(told(f"{start()}{GET}{line}\n{GET}{TERM}")) == []
    assert classes(told(f"[2026-11-27 09:00:00 +0000] [10] [INFO] {line}\n")) == []


def test_a_journal_that_was_cut_at_the_right_edge():
    """The lines of a master's end are cut, and the last one is the code that halts it."""
    head = "Nov 27 09:00:01 web-1 gunicorn[10]: "
    place = f'{head}  File "/venv/lib/python3.12/site-packages/gunicorn/arbi\n'
    text = f"{place}{head}    self.reap_workers()\n{place}{head}    raise HaltServer(reason, self.WORKER_BOOT_ERROR)\n"

    assert [name for name, _ in classes(told(text))] == ["app-exception"]
    assert classes(told(place + f"{head}    self.sleep()\n")) == []


CUT = (
    "Traceback (most recent call last):\n"
    + frame(SITE + "django/db/backends/base/base.py", "connect")
    + '  File "/venv'
)
NO_ROLE = 'FATAL:  role "shop" does not exist\n'


def test_a_traceback_that_is_cut_after_one_that_is_whole():
    """The earlier one tells why: they follow each other in one start."""
    whole = "".join(f"{line}\n" for line in CUT.splitlines()[:-1]) + f"django.db.utils.OperationalError: {NO_ROLE}"

    assert classes(told(f"{whole}0 static files copied\n{CUT}")) == [("db-auth-failed", 1)]
    assert classes(told(CUT)) == []


def test_a_traceback_that_is_cut_and_the_databases_own_log():
    """In another container; where the traceback is whole, it alone counts."""
    cut = "".join(f"web-1  | {line}\n" for line in CUT.splitlines())

    assert classes(told(f"db-1   | {NO_ROLE}{cut}")) == [("db-auth-failed", 1)]
    whole = cut.rpartition("web-1")[0] + f"web-1  | {NO_FLASK}\n"
    assert classes(told(f"db-1   | {NO_ROLE}{whole}")) == [("dependency-missing", 1)]


def test_a_halted_master_on_one_line():
    """As Google's logs fold it."""
    text = (
        "2026-11-27 09:00:01 default[20261127t090000]  Traceback (most recent call last):  "
        + "  ".join(line.strip() for line in HALTED.splitlines())
        + "  gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>\n"
    )

    assert [name for name, _ in classes(told(text))] == ["app-exception"]


def test_a_traceback_on_one_line_without_a_blank_before_its_exception():
    """As a page joins the lines of a frame that has no code."""
    frames = (
        frame(SITE + "gunicorn/util.py", "import_app", "mod = importlib.import_module(module)")
        + '  File "<frozen importlib._bootstrap>", line 9, in _find\n  File "<frozen importlib._bootstrap>", line 8, in _load'
    )
    joined = frames.replace("\n", "") + "ModuleNotFoundError: No module named 'shelves'[2026-11-27 09:00:01 +0000] [11"

    assert classes(told(joined + "\n")) == [("app-not-found", 1)]
    assert classes(told(joined.partition(", line")[2] + "\n")) == [("app-not-found", 1)]


def test_a_masters_traceback_that_was_cut_after_its_worker_had_said_why():
    """The exception that would end it is a consequence."""
    said = "Failed to find attribute 'shelf' in 'shop'.\n"
    log = f"{said}Traceback (most recent call last):\n{HALTED.partition('  File')[0]}{HALTED}"

    assert classes(told(log + "...\n")) == [("app-not-found", 1)]


def test_a_quote_behind_the_last_word():
    """Whoever pastes into a sentence leaves it there."""
    trace = raising("").partition('  File "/srv/shop/wsgi.py"')[0]

    assert classes(told(trace + ".......\nImportError: No module named wsgi`\n")) == [("app-not-found", 1)]


@pytest.mark.parametrize("between", ["", " ", "  "])
def test_a_whole_log_on_one_line(between: str):
    """With anything between its lines, or nothing, it is read to its end."""
    log = raising("ModuleNotFoundError: No module named 'redis'", code="from redis import Redis")

    assert classes(told(between.join(log.splitlines()) + "\n")) == [("dependency-missing", 1)]


COMPILES = raising(
    "SyntaxError: invalid syntax", '  File "/srv/shop/shelf.py", line 9\n    shelf = = 1\n            ^\n'
)


@pytest.mark.parametrize(
    "line",
    [
        '<font color="#06989A">2026-11-27T09:00:01.3+00:00 app[web.1]:</font> {}\n',
        "<span class=line>{}</span>\n",
        "\u2190[33mweb_1      | \u2190[0m{}\n",
        "[36mweb-1  |[0m {}\n",
        "Nov 27\n09:00:01 AM\n{}\n",
    ],
    ids=["a coloured head", "a tag around it", "another sign for the escape", "no sign for it", "a time above it"],
)
def test_what_a_page_or_a_terminal_leaves_in_a_line(line: str):
    """It is no part of what was said."""
    for log, expected in ((COMPILES, "app-syntax-error"), (raising("KeyError: 'SHOP_KEY'"), "env-config")):
        assert classes(told("".join(line.format(text) for text in log.splitlines()))) == [(expected, 1)]


def test_a_syntax_error_on_one_line_with_its_place():
    """The caret stands right before it."""
    for between in ("", " "):
        assert classes(told(between.join(COMPILES.splitlines()) + "\n")) == [("app-syntax-error", 1)]


def test_an_exception_below_a_drawn_frame_is_the_workers():
    """A console that draws tracebacks sets it as deep as all that follows the time and the level."""
    time, pad = "[27/11/26 09:00:01] ", " " * 29
    log = (
        f"{time}INFO     Starting gunicorn 23.0.0\n{time}INFO     Booting worker with pid: 11\n"
        f"{time}ERROR    Exception in worker process\n"
        f"{pad}╭───────── Traceback (most recent call last) ─────────╮\n"
        f"{pad}│ /srv/shelves/wsgi.py:10 in <module>                 │\n"
        f"{pad}│ ❱ 10 │ load()                                       │\n"
        f"{pad}╰─────────────────────────────────────────────────────╯\n"
        f"{pad}PermissionError: [Errno 13] Permission denied: '/srv/books'\n"
        f"{time}INFO     Worker exiting (pid: 11)\n{time}ERROR    Reason: Worker failed to boot.\n"
    )

    assert classes(told(log)) == [("permission-denied", 1)]


def test_what_another_tool_of_the_app_says_before_the_server():
    """A framework's own command that finds no app says it in its own words; a worker's queue has other options."""
    usage = "Usage: tool [OPTIONS]\nTry 'tool --help' for help.\n\n"

    assert classes(told(usage + "Error: Could not import 'shop'.\n")) == [("app-not-found", 1)]
    raised = "ModuleNotFoundError: No module named 'shelves.tasks'\n"
    assert classes(told(usage + "Error: Invalid value for '-A': \n" + raised)) == [("app-import-error", 1)]


def test_a_start_up_of_which_nothing_else_was_pasted():
    """Its traceback came through the application's own start-up, so a server died of it."""
    trace = "ERROR:    Traceback (most recent call last):\n" + frame(SITE + "starlette/routing.py", "lifespan", "x")

    assert classes(told(trace + frame("/srv/shop.py", "begin", "y") + "ShelfError: it is empty\n")) == [
        ("app-exception", 1)
    ]


def test_two_starts_of_which_one_has_lost_its_head_and_the_other_its_end():
    """The traceback at the top has no time; the one that is cut says nothing else."""
    top = frame(SITE + "gunicorn/util.py", "import_app", "mod = importlib.import_module(module)")
    top += frame("/srv/books.py", "<module>", "import flask") + NO_FLASK + "\n"
    cut = "[2026-11-27 09:00:01 +0000] [8] [ERROR] Exception in worker process\nTraceback (most recent call last):\n"

    assert classes(told(top + cut)) == [("dependency-missing", 2)]


def test_a_message_that_goes_on_as_it_began():
    """PostgreSQL's client tells of each try in a line of its own, which a logger's level could begin as well."""
    said = 'FATAL:  no pg_hba.conf entry for host "10.1.4.22", user "books", database "books", SSL {}\n'
    log = (
        start()
        + "Traceback (most recent call last):\n"
        + frame("/srv/books/store.py", "connect", "psycopg2.connect(dsn)")
        + f"OperationalError: {said.format('on')}{said.format('off')}"
    )

    assert classes(told(log)) == [("db-auth-failed", 1)]


MIGRATING = (
    "Traceback (most recent call last):\n"
    + frame("/srv/manage.py", "<module>", "execute_from_command_line(sys.argv)")
    + "django.db.utils.OperationalError: (1045, \"Access denied for user 'root'@'10.0.0.3' (using password: YES)\")\n"
)


def test_what_a_command_met_before_a_server_that_has_done_nothing_yet():
    """The migrations of a start script: what their database refuses, the app's will be."""
    (incident,) = told(MIGRATING + start()).incidents
    assert (incident.cause_class, incident.confidence) == ("db-auth-failed", "low")
    assert classes(told(MIGRATING + start() + GET)) == []
    assert classes(told(MIGRATING + start() + TERM)) == []
    # A library that is missing there need not be the server's.
    assert classes(told(TRACE + start())) == []


def test_an_apps_own_parser_that_refuses_gunicorns_arguments():
    """An old one begins with a capital letter; the worker ends, and Gunicorn says no more."""
    usage = "Usage: gunicorn [options]\n\ngunicorn: error: no such option: -b\n"
    (incident,) = told(start() + usage).incidents
    assert incident.cause_class == "app-exception"
    assert "no such option" in incident.summary or any("no such option" in item.text for item in incident.evidence)
