"""What a request met, and what an order to stop only met: told by what answered, what asked and who spoke."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import END, GET, SITE, TERM, frame, raising, start

FAILED = GET.replace('" 200 5', '" 500 141')
AT = "[2026-11-27 09:00:0{second} +0000] "


def names(text: str) -> list[str]:
    """Return the classes of a log, first to last."""
    return [name for name, _ in classes(told(text))]


def trace(error: str, *frames: str) -> str:
    """Return a traceback that no line of Gunicorn's announces."""
    return "Traceback (most recent call last):\n" + "".join(frames) + error + "\n"


@pytest.mark.parametrize(
    "head",
    [
        "",
        "Internal Server Error: /orders\n",
        "GET /orders => ",
        "2026-11-27 09:02:00 [SHOP] [ERROR] GET /orders => ",
    ],
)
def test_a_traceback_before_the_answer_of_an_error_is_the_requests(head: str):
    """Whatever the framework says of it, and whether it names a file that is known."""
    error = trace("django.db.utils.OperationalError: no such table: shop_order", frame("/srv/shop/views.py", "orders"))

    assert names(start() + GET + head + error + FAILED + GET + TERM) == ["db-schema-missing"]
    # One that is followed by an answer as any other was met by something else.
    if not head:
        assert names(start() + GET + error + GET + TERM) == []


@pytest.mark.parametrize(
    "path",
    [
        frame(SITE + "django/core/handlers/exception.py", "inner"),
        frame(SITE + "bottle.py", "_handle"),
        frame(SITE + "falcon/app.py", "__call__"),
        frame(SITE + "pyramid/router.py", "handle_request"),
        frame(SITE + "starlette/routing.py", "app"),
    ],
    ids=["Django", "Bottle", "Falcon", "Pyramid", "Starlette"],
)
def test_frameworks_answer_requests_in_files_of_their_own(path: str):
    """No line says that it was a request, and the answer is not in the log."""
    error = trace("psycopg.OperationalError: FATAL:  sorry, too many clients already", path)

    assert names(start() + GET + error + TERM) == ["db-too-many-connections"]


def test_a_driver_that_stumbles_over_anothers_answer():
    """Two workers on one connection: bytes that are no message of the protocol."""
    error = trace(
        "KeyError: b'\\x00'",
        frame("/srv/shop/views.py", "orders", "rows = connection.run('select 1')"),
        frame(SITE + "pg8000/core.py", "handle_messages", "self.message_types[code](_read(self._sock, 4), context)"),
    )

    assert names(start() + GET + error + FAILED + TERM) == ["db-forked-connection"]
    own = trace("KeyError: 'name'", frame(SITE + "pg8000/core.py", "make_params", "value = values[key]"))
    assert names(start() + GET + own + FAILED + TERM) == []


def test_who_was_killed_again_and_again_was_not_killed_for_being_slow():
    """An order to stop met workers that the kernel kills anyway; one that alone is killed late was slow."""
    kills = "".join(
        AT.format(second=second)
        + f"[10] [ERROR] Worker (pid:{10 + second}) was sent SIGKILL! Perhaps out of memory?\n"
        + AT.format(second=second)
        + f"[{11 + second}] [INFO] Booting worker with pid: {11 + second}\n"
        for second in range(1, 5)
    )
    stop = AT.format(second=5) + "[10] [INFO] Handling signal: term\n"
    last = AT.format(second=5) + "[10] [ERROR] Worker (pid:15) was sent SIGKILL! Perhaps out of memory?\n"
    halt = AT.format(second=6) + "[10] [INFO] Shutting down: Master\n"

    assert names(start() + kills + stop + last + halt) == ["oom-kill"]
    late = last.replace("09:00:05", "09:00:35").replace("pid:15", "pid:11")
    assert names(start() + GET + stop + late + halt.replace("09:00:06", "09:00:35")) == ["shutdown-timeout"]


def test_a_worker_that_speaks_of_children_of_its_own():
    """It inherited its master's handler: what it calls workers are processes that the app started."""
    child = AT.format(second=3) + "[11] [ERROR] Worker (pid:812) exited with code 255\n"

    assert names(start() + child + child + GET) == []
    assert names(start() + child.replace("] [11]", "] [10]").replace("812", "11")) == ["app-exception"]


@pytest.mark.parametrize(
    ("expected", "log"),
    [
        (
            "worker-class-unavailable",
            raising("ModuleNotFoundError: No module named 'fastloop'")
            .replace("gunicorn/util.py", "shopworker/worker.py")
            .replace("in import_app", "in init_process")
            .replace('  File "/srv/shop/wsgi.py", line 4, in <module>\n    from shop import create_app\n', ""),
        ),
        (
            "version-incompatible",
            raising(
                "AttributeError: The `set_loop` method was replaced by `get_loop` in shoplib 0.36.0.",
                frame(SITE + "shoplib/config.py", "set_loop", "raise AttributeError("),
            ),
        ),
        (
            "version-incompatible",
            raising(
                "ImportError: No module named validation",
                frame(
                    SITE.replace("3.12", "2.7") + "gunicorn/app/django_wsgi.py",
                    "<module>",
                    "from django.core.management.validation import get_validation_errors",
                ),
            ),
        ),
    ],
    ids=["the class lacks something", "replaced", "Python 2 names the last part"],
)
def test_who_asked_tells_whose_it_is(expected: str, log: str):
    """The worker class itself before it loads an app, a library of another release, Python 2's short names."""
    assert names(log) == [expected]


def test_an_object_that_another_release_stored():
    """It does not come back to life in the library's own code; what the app looks up in it is the app's."""
    load = frame("/srv/shop/wsgi.py", "<module>", "model = pickle.load(file)")
    revive = frame(SITE + "shoplib/model.py", "__setstate__", "self.fields = state['fields']")

    assert names(raising("KeyError: 'fields'", load, revive)) == ["version-incompatible"]
    assert names(raising("KeyError: 'fields'", load)) == ["app-exception"]


def test_a_name_that_is_missing_in_a_folder_of_the_apps():
    """A folder without an `__init__.py` has no location; whose it is, the paths tell."""
    error = "ImportError: cannot import name 'Order' from 'shop.orders' (unknown location)"

    assert names(raising(error, frame("/srv/shop/views.py", "<module>"))) == ["app-import-error"]


def test_paths_that_were_shortened():
    """Whose a file is, its line of code tells as well."""
    log = raising("ModuleNotFoundError: No module named 'shop_site'").replace(SITE + "gunicorn", "...")
    bare = log.replace('  File "/srv/shop/wsgi.py", line 4, in <module>\n    from shop import create_app\n', "")

    assert names(bare) == ["app-not-found"]


def test_a_log_that_begins_with_the_end_of_a_start():
    """Why it could not boot was cut off; the next start, which fails alike, says it."""
    later = raising("ModuleNotFoundError: No module named 'app'").replace("09:00:0", "09:00:1")
    bare = later.replace('  File "/srv/shop/wsgi.py", line 4, in <module>\n    from shop import create_app\n', "")

    assert names(END + bare) == ["app-not-found"]


def test_a_target_that_is_called_like_a_librarys_part():
    """Nothing but the import machinery below Gunicorn's own import: nobody else asked for it."""
    machinery = "".join(
        frame("<frozen importlib._bootstrap>", function).rpartition("    pass")[0]
        for function in ("_gcd_import", "_find_and_load", "_find_and_load_unlocked", "_call_with_frames_removed")
    )
    log = raising("ModuleNotFoundError: No module named 'flask.shop'", machinery)
    bare = log.replace('  File "/srv/shop/wsgi.py", line 4, in <module>\n    from shop import create_app\n', "")

    assert names(bare) == ["app-not-found"]
    assert names(log) == ["version-incompatible"]


def test_a_log_that_begins_with_the_last_words_of_a_worker():
    """Its start was cut off; what it printed before it ended still counts."""
    log = (
        "See the page on settings for how to make one\n"
        "Refusing to start with an insecure SECRET_KEY\n"
        "[2026-11-27 09:00:01 +0000] [11] [INFO] Worker exiting (pid: 11)\n"
        "[2026-11-27 09:00:01 +0000] [10] [ERROR] Worker (pid:11) exited with code 1\n"
        "[2026-11-27 09:00:01 +0000] [12] [INFO] Booting worker with pid: 12\n"
    )

    assert names(log) == ["env-config"]
    assert END not in log


@pytest.mark.parametrize("told_by", ["Error: connect ECONNREFUSED db:5432", "Error: getaddrinfo ENOTFOUND redis"])
@pytest.mark.parametrize("head", ["", "worker-1  | "], ids=["before it", "beside it"])
def test_errors_that_others_tell_of_beside_a_server(told_by: str, head: str):
    """A program of another kind, in a start script or in another service: the server is well."""
    own = "web-1     | " if head else ""
    healthy = "".join(f"{own}{line}\n" for line in (start() + GET + TERM).splitlines())

    assert names(f"{head}{told_by}\n{healthy}") == []
    assert names(f"{head}Error: 'gunicorn.conf.py' doesn't exist\n{healthy}") == ["config-file-error"]
    assert names("Error: No module named 'shop.conf'\n") == ["config-file-error"]


def test_a_start_script_that_goes_on_after_an_error():
    """What ends it comes further down; where nothing else does, that error was it."""
    failed = "/app/start.sh: 20: shopctl: not found\n"

    assert names(f"{failed}fetching the index\nIllegal instruction (core dumped)\nexit status 132\n") == [
        "illegal-instruction"
    ]
    assert names(f"{failed}exit status 127\n") == ["launcher-error"]


def test_a_release_of_five_thousand_digits():
    """Damage that looks like a number is not made one."""
    boots = "".join(
        f"[2026-11-27 09:00:0{second} +0000] [{10 + second}] [INFO] Booting worker with pid: {10 + second}\n"
        for second in range(1, 9, 3)
    )

    assert told(start("9" * 5_000) + boots).exit_code in (0, 1)


def test_a_traceback_that_is_cut_before_it_says_what_was_raised():
    """It is a death; of what, nobody can know from here."""
    log = raising("ValueError: x").partition("ValueError")[0]
    (incident,) = told(log).incidents

    assert (incident.cause_class, incident.confidence) == ("app-exception", "low")
    assert "ends before it says what" in incident.summary
    assert "wsgi.py:4" in incident.summary


def test_a_worker_that_handles_a_request_has_booted():
    """It was timed out at an age that boots have; what it says next is that it was reading a request."""
    timeout = "[2026-11-27 09:00:40 +0000] [10] [CRITICAL] WORKER TIMEOUT (pid:11)\n"
    request = "[2026-11-27 09:00:40 +0000] [11] [ERROR] Error handling request (no URI read)\n"

    assert names(start("20.1.0") + timeout) == ["boot-timeout"]
    assert names(start("20.1.0") + timeout + request) == ["request-timeout"]
