"""What libraries say last, in logs of which little more was pasted: the class of each, and what only resembles it."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, SITE, TERM, frame, raising, start

RAISED = "[2026-11-27 09:00:01 +0000] [11] [ERROR] Exception in worker process\n"
SERVE = frame(SITE + "gunicorn/workers/sync.py", "handle_request", "respiter = self.wsgi(environ, resp.start_response)")
READS = 'KEY = os.environ["SHOP_KEY"]'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Settings, by the words, the exception's own name, or what was handed to a parser.
        ("telegram.error.InvalidToken: You must pass the token of your bot!", "env-config"),
        ("shop.errors.MailError: Credentials are required to make a MailClient", "env-config"),
        ("pay.PayError: Expected either api_key or auth_token to be set.", "env-config"),
        ("store._client.StoreException: Invalid URL", "env-config"),
        ("airflow.exceptions.AirflowConfigException: cannot use sqlite with the LocalExecutor", "env-config"),
        ("celery.exceptions.ImproperlyConfigured: Cannot mix new and old setting keys", "env-config"),
        ("AttributeError: module 'shop.settings' has no attribute 'MAIL_HOST'", "env-config"),
        ("pymongo.errors.ConfigurationError: No default database name defined or provided.", "env-config"),
        ("Exception: Missing required environment variables: DB_HOST", "env-config"),
        ("sentry_sdk.utils.BadDsn: Unsupported scheme ''", "env-config"),
        ("chat.errors.AccessError: `token` must be set", "env-config"),
        ("ValueError: Connection string is either blank or malformed.", "env-config"),
        ("ValueError: Please provide an OpenAI API key. You can get one at https://keys.example", "env-config"),
        ("ValueError: Port could not be cast to integer value as 'None'", "env-config"),
        ("queue.exceptions.QueueError: No such transport: None", "env-config"),
        ("ValueError: Could not deserialize key data. The data may be in an incorrect format.", "env-config"),
        # What only a worker class asks for.
        ("RuntimeError: gevent worker requires gevent 1.4 or higher", "worker-class-unavailable"),
        ("ImportError: cannot import name 'ALREADY_HANDLED' from 'eventlet.wsgi'", "worker-class-unavailable"),
        # Releases that do not fit.
        ("ImportError: cannot import name 'MutableMapping' from 'collections'", "version-incompatible"),
        ("ImportError: cannot import name python_2_unicode_compatible", "version-incompatible"),
        ("ImportError: cannot import name 'SAFE' from 'charset_normalizer.constant'", "version-incompatible"),
        (
            "AttributeError: partially initialized module 'lexer' has no attribute 'md__mypyc' (most likely due to a "
            "circular import)",
            "version-incompatible",
        ),
        ("pkg_resources.VersionConflict: (shop 1.0, Requirement.parse('shop==2.0'))", "version-incompatible"),
        ("ValueError: unsupported pickle protocol: 5", "version-incompatible"),
        ("TypeError: duplicate base class TimeoutError", "version-incompatible"),
        ("kombu.exceptions.VersionMismatch: It requires queue-py versions 3.2.0 or later.", "version-incompatible"),
        # Parts of a library that were built for another machine, and packages that share a name.
        ("ModuleNotFoundError: No module named 'lexer_core._lexer_core'", "native-library"),
        ("ImportError: cannot import name '_imaging' from 'PIL'", "native-library"),
        ("ImportError: cannot import name 'storage' from 'google.cloud' (unknown location)", "dependency-missing"),
        ("ModuleNotFoundError: No module named 'models'", "app-import-error"),
    ],
)
def test_the_last_line_tells_its_class(text: str, expected: str):
    """Alone, below Gunicorn's own line, behind a container's name, and with the whole of its traceback."""
    for log in (f"{text}\n", RAISED + f"{text}\n", f"web-1  | {text}\n", raising(text, frame(SITE + "x.py"))):
        if expected == "app-import-error" and "site-packages/x.py" in log:
            continue
        assert classes(told(log)) == [(expected, 1)], log


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("binascii.Error: Incorrect padding", READS),
        ('TypeError: can only concatenate str (not "NoneType") to str', 'URL = "pg://" + os.getenv("SHOP_HOST")'),
        ("dj_database_url.ParseError: This string is not a valid url", READS),
    ],
)
def test_what_was_handed_to_a_parser_is_a_setting(text: str, code: str):
    """The app's own line reads the environment; where it reads something else, nothing is known of it."""
    assert classes(told(raising(text, frame(SITE + "x.py"), code=code))) == [("env-config", 1)]
    if "dj_database_url" not in text:
        other = raising(text, frame(SITE + "x.py"), code="TOKEN = open_letter(box)")
        assert classes(told(other)) == [("app-exception", 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop.errors.ShelfError: Invalid token in line 3 of the price list", "app-exception"),
        ("shop.errors.ShelfError: the token must pass three gates", "app-exception"),
        ("AttributeError: module 'shop.settings' has no attribute 'load'", "app-exception"),
        ("shop.errors.ShelfError: a token was found on shelf 3", "app-exception"),
        ("ValueError: Port could not be cast to integer value as 'http'", "app-exception"),
        ("openai.AuthenticationError: Error code: 401 - Incorrect API key provided", "backend-unavailable"),
        ("pymongo.errors.ConfigurationError: The DNS query name does not exist: db.example.", "db-unreachable"),
        (
            "ImportError: cannot import name 'Shelf' from 'shop.collections' (/srv/shop/collections.py)",
            "app-import-error",
        ),
        ("AttributeError: module 'shop.views' has no attribute 'index'", "app-exception"),
        ("ModuleNotFoundError: No module named 'lexer_core'", "dependency-missing"),
        ("ImportError: cannot import name 'Shelf' from 'PIL'", "version-incompatible"),
    ],
)
def test_what_only_resembles_it(text: str, expected: str):
    """Other words for the same things, or the same words for others."""
    assert classes(told(raising(text))) == [(expected, 1)]


def test_an_exception_of_any_name_follows_gunicorns_word():
    """Below "Exception in worker process" a dotted name is a class; anywhere else it may be anything."""
    line = "firebase.messages.Refused: the shelf is empty\n"

    assert "Refused: the shelf" in told(RAISED + line).incidents[0].summary
    assert told(line).incidents == ()


def test_a_factory_that_is_served_itself():
    """Gunicorn calls it with a request's two arguments; what a view lacks is another thing."""
    head = start() + "[2026-11-27 09:00:04 +0000] [11] [ERROR] Error handling request /\n"
    trace = head + "Traceback (most recent call last):\n" + SERVE
    wrong = "TypeError: create_app() takes from 0 to 1 positional arguments but 2 were given\n"

    assert classes(told(trace + wrong)) == [("app-not-found", 1)]
    assert told(trace + frame("/srv/shop/views.py", "index", "shelf(1, 2)") + wrong).incidents == ()
    # A module that every request asks for in vain is the app's own, or a package; it is not the target.
    assert classes(told(trace + "ModuleNotFoundError: No module named 'wsgi'\n")) == [("dependency-missing", 1)]


IMPORTS = frame("/srv/wsgi.py", "<module>", "from shop import app") + frame("/srv/shop/shelf.py", "<module>", "row[3]")


def test_a_traceback_of_an_apps_import_alone():
    """A worker dies of it; a script, or one beside a server that ran, is nobody's death."""
    raised = "IndexError: list index out of range\n"

    assert classes(told(IMPORTS + raised)) == [("app-exception", 1)]
    assert told(frame("/srv/manage.py", "<module>", "main()") + IMPORTS + raised).incidents == ()
    assert told(IMPORTS + raised + start() + GET + TERM).incidents == ()
    assert told(raised).incidents == ()


def rich(*lines: str) -> str:
    """Return lines as Rich's handler prints them."""
    return "".join(f"[11/27/26 {line}\n" for line in lines)


def test_times_as_rich_writes_them():
    """They tell how long a worker lived; the date's order does not matter."""
    hung = rich("09:00:00] INFO     Booting worker with pid: 7", "09:00:30] CRITICAL WORKER TIMEOUT (pid:7)")
    late = rich("09:00:00] INFO     Booting worker with pid: 7", "09:14:37] CRITICAL WORKER TIMEOUT (pid:7)")

    assert classes(told(hung)) == [("boot-timeout", 1)]
    assert classes(told(late)) == [("request-timeout", 1)]


KILLED = "ERROR    Worker (pid:{}) was sent SIGKILL! Perhaps out of memory?"


def test_the_first_of_those_that_are_timed_out_again_and_again():
    """Its own timeout stands above the first line; where a later one is killed without, it may be memory as well."""
    later = (
        "09:02:00] INFO     Booting worker with pid: 8",
        "09:04:00] CRITICAL WORKER TIMEOUT (pid:8)",
        f"09:04:01] {KILLED.format(8)}",
        "09:04:02] INFO     Booting worker with pid: 9",
        "09:06:02] CRITICAL WORKER TIMEOUT (pid:9)",
        f"09:06:03] {KILLED.format(9)}",
    )
    first = f"09:01:59] {KILLED.format(7)}"
    memory = (later[0], later[2].replace("09:04:01", "09:02:31"), *later[3:])

    assert classes(told(rich(first, *later))) == [("boot-timeout", 3)]
    assert "oom-kill" in {name for name, _ in classes(told(rich(first, *memory)))}


def test_a_worker_of_uvicorn_that_has_finished():
    """It sends itself the signal that it had got, when all is done; one that did not finish was stopped by someone."""
    done = rich("09:00:09] INFO     Finished server process [7]", "09:00:09] ERROR    Worker (pid:7) was sent SIGINT!")

    assert told(done).incidents == ()
    assert classes(told(done.partition("\n")[2])) == [("external-stop", 1)]


READING = "    size = int(os.getenv('SHOP_SIZE', 10))\n"
REFUSED = "ValueError: invalid literal for int() with base 10: '10  # shelves'\n"


@pytest.mark.parametrize("carets", ["", "           ^^^^^^^^^^^^^^^^^^^^^^^^^^\n"])
def test_a_line_of_code_whose_frame_was_cut_off(carets: str):
    """It reads the environment, so what was refused is a setting; another line tells nothing of that."""
    assert classes(told(READING + carets + REFUSED)) == [("env-config", 1)]
    assert told(READING + "\n\n\n" + REFUSED).incidents == ()
    assert told("    size = int(boxes['size'])\n" + carets + REFUSED).incidents == ()


def test_a_file_that_is_called_like_the_library_that_is_missing():
    """Its package is the app's, the library is not; what would be a part of it is the app's."""
    inner = frame("/srv/shop/celery.py", "<module>", "from celery import Celery")

    assert classes(told(raising("ModuleNotFoundError: No module named 'celery'", inner))) == [("dependency-missing", 1)]
    hidden = "ModuleNotFoundError: No module named 'celery.app'; 'celery' is not a package"
    assert classes(told(raising(hidden, inner))) == [("app-import-error", 1)]


def test_an_object_of_a_librarys_own_that_lacks_a_name():
    """Its class is private, so no app asks for it; what Flask keeps for the app is another thing."""
    lacks = "AttributeError: '{}' object has no attribute 'shelf'"

    assert classes(told(lacks.format("_ShelfState") + "\n")) == [("version-incompatible", 1)]
    assert classes(told(raising(lacks.format("_AppCtxGlobals")))) == [("app-exception", 1)]


def test_a_table_of_cloudwatchs_as_a_page_shows_it():
    """Each cell of the second column is a line of syslog's, with a day of one digit."""
    head = "2026-04-05T22:49:58.289+03:00 | Apr 5 19:49:58 ip-172-31-0-1 web: "
    lines = (
        "[2026-04-05 19:49:58 +0000] [8] [ERROR] Exception in worker process",
        *IMPORTS.splitlines(),
        "KeyError: 7",
    )
    first, *others = (f"{head}{line}\n" for line in lines)
    table = first + "-- | --\n" + "".join(f"  | {line}" for line in others)

    (incident,) = told(table).incidents
    assert "KeyError: 7" in incident.summary
    assert incident.processes[0]["host"] == "ip-172-31-0-1"


def ends(*printed: str, before: bool = True, status: int | None = None, rounds: int = 4) -> str:
    """Return workers that end one after the other, and what is printed right before or after each of them ends."""
    log = start("20.1.0").partition("[2026-11-27 09:00:00 +0000] [11]")[0]
    words = "".join(f"{line}\n" for line in printed)
    for pid in range(11, 11 + rounds):
        head = f"[2026-11-27 09:00:{pid} +0000] "
        end = f"{head}[{pid}] [INFO] Worker exiting (pid: {pid})\n"
        end = words + end if before else end + words
        told_by = "" if status is None else f"{head}[10] [ERROR] Worker (pid:{pid}) exited with code {status}\n"
        log += f"{head}[{pid}] [INFO] Booting worker with pid: {pid}\n{end}{told_by}"
    return log


@pytest.mark.parametrize("status", [None, 1, 3])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("SHOP_KEY is not set", "env-config"),
        ("Error: please set SHOP_KEY", "env-config"),
        ("Parse shop.config error 'SHELF'", "env-config"),
        ("bye", "app-exception"),
        ("Warning: SHOP_KEY is not set, so a new one was made", "app-exception"),
    ],
)
def test_what_is_printed_beside_the_end_of_a_worker(printed: str, expected: str, before: bool, status: int | None):
    """By whoever leaves with sys.exit: before it with print, after it where the text is handed over."""
    log = ends("loading shelves", printed, before=before, status=status)

    assert classes(told(log)) == [(expected, 4)]
    assert classes(told("".join(f"web-1  | {line}\n" for line in log.splitlines()))) == [(expected, 4)]


def test_words_that_were_printed_long_before():
    """They were not the last ones, or they were said while requests were answered, or of a server that was stopped."""
    said = "SHOP_KEY is not set"

    assert classes(told(ends(said, "a", "b c", "c d", "d e"))) == [("app-exception", 4)]
    assert (
        told(
            start() + said + "\n" + GET + TERM + "[2026-11-27 09:05:00 +0000] [11] [INFO] Worker exiting (pid: 11)\n"
        ).incidents
        == ()
    )
    assert classes(told(ends(said, rounds=1))) == [("env-config", 1)]
    assert told(ends("bye", rounds=1)).incidents == ()


def test_a_supervisor_that_tells_how_a_command_ended_did_run_it():
    """What the command raised is the cause."""
    raised = "shop.errors.ConfigError: SHOP_KEY is not set\n"
    told_by = "s6-rc: warning: unable to start service migrations: command exited 1\n"

    assert classes(told(IMPORTS + raised + told_by)) == [("env-config", 1)]


def test_last_words_below_a_banner():
    """It is long, and stands below the worker's start."""
    words = "Refusing to start with an insecure SHOP_KEY"
    banner = ["---", "", "NOTE", "---", *(f"the shelf {number} is set up" for number in range(14)), "---"]

    assert classes(told(ends(*banner, words, status=1))) == [("env-config", 4)]
