"""Workers disturb each other while they start.

What it means
    Every worker does the same one-time work, and the second finds what the first has made: a table, a
    row, a file, a lock. One worker boots, the others fail, or all do by turns.

How it looks
    `table users already exists`, `duplicate key value violates unique constraint`, `database is locked`,
    `FileExistsError`, in some workers of one start and not in others. Or a first request that fails with
    `Cannot copy out of meta tensor`, and seconds later everything works: two threads load one model.

Why it happens
    `db.create_all()`, seed data, a download or a cache directory at import time, in every worker. A model
    that is loaded by the first request that needs it, without a lock.

What to do
    Do it once: in a job before the start, or with bootcheck's `initialise` check and `run_once`, which let
    one worker do it while the others wait. Load models before the worker is ready, not in a request.

How to know it is fixed
    Four workers start together ten times without one of these errors.
"""

from __future__ import annotations

import re

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.trouble import BOOT, Raised, Trouble
from bootcheck.model.finding import Finding

CAUSE_CLASS = "app-startup-race"
RULES: tuple[str, ...] = ()
WHILE_SERVING = True

_SAID = late.regex(
    r"(?:table|relation|type|index|schema) \"?[\w.]+\"? already exists|"
    r"duplicate key value violates unique\s+constraint|UNIQUE constraint failed|"
    r"database (?:schema |table )?is locked|\(1684,|already an object named '|ORA-00955|"
    r"lock .{1,200}could not be acquired|LockException|AlreadyLocked|Could not set lock on file|"
    r"deadlock detected|Duplicate entry|\(1050,|\(1062,|\(1061,|\(1213,|"
    r"tuple concurrently updated|could not obtain lock|"
    r"Lock wait timeout|Text file busy|another (?:process|instance) is (?:already )?running|"
    r"could not acquire .*lock|is already locked|column \"?[\w.]+\"? of relation \"?[\w.]+\"? already exists|"
    r"duplicate column name|Duplicate column|terminated by other getUpdates|already accessed by another instance|"
    r"\b(?:table|collection|index|topic|bucket|container|queue|exchange|database|keyspace|constraint|stream|"
    r"subscription|"
    r"data ?set|role|extension|sequence|namespace|repository|destination path)\b[^\n]{0,100} already exists|"
    r"resource_already_exists|\bE11000\b|ORA-00001|ORA-00054|BucketAlreadyOwnedByYou|SchemaRuleAlreadyExists|"
    r"while lock file: .{1,200}: Resource temporarily unavailable|"
    r"already in use by another process|[Jj]ob identifier \(.{1,200}\) conflicts",
    re.IGNORECASE,
)
_KINDS = (
    "FileExistsError",
    "BlockingIOError",
    "LockError",
    "AlreadyExists",
    "ResourceExistsError",
    "DuplicateKeyError",
)
_REMOVES = late.regex(r"\b(?:os\.|shutil\.)?(?:remove|unlink|rename|replace|rmdir|rmtree)\(")
_NOT_EMPTY = late.regex(r"\[Errno (?:39|66)\]")
_LAZY = late.regex(r"Cannot copy out of meta tensor")
"""What PyTorch says of a model that another thread is still loading."""


def match(trouble: Trouble) -> Finding | None:
    """Conclude where what a worker makes at its start is there already, held, or half made."""
    error = trouble.error
    if error is not None and _LAZY.search(error.text):
        return _lazy(trouble, error.text)
    if (
        error is None
        or trouble.moment != BOOT
        or not (
            error.is_a(*_KINDS)
            or "[Errno 17]" in error.text
            or _SAID.search(error.text)
            or _gone(error)
            or _filled(error)
        )
    ):
        return None
    return conclude(
        trouble,
        f"Workers disturb each other while they start: {one_line(error.text)}",
        "Do one-time set-up once: before the server starts, or in one worker while the others wait "
        "(bootcheck's initialise check, run_once).",
        confirm="start with --workers 1: if that always works, it is a race",
        confidence="medium",
        against=("With a single worker there is no race: then the leftover of an earlier start is in the way.",),
    )


def _gone(error: Raised) -> bool:
    """Tell whether what was to be removed or moved is gone: another worker was faster."""
    absent = error.is_a("FileNotFoundError") or (error.is_a("OSError") and "[Errno 2]" in error.text)
    removes = bool(error.frames) and _REMOVES.search(error.frames[-1].code) is not None
    # Of a move Python names both paths.
    return absent and (removes or "' -> '" in error.text)


def _filled(error: Raised) -> bool:
    """Tell whether a folder that was to be replaced or removed was filled by another worker in that moment."""
    return error.is_a("OSError") and _NOT_EMPTY.search(error.text) is not None


def _lazy(trouble: Trouble, said: str) -> Finding:
    return conclude(
        trouble,
        f"A model was used while another thread still loaded it: {one_line(said)}",
        "Load the model before the worker is ready: at import, or in post_worker_init.",
        "Where it must be lazy, let one thread load it under a lock, and answer 503 until it is there.",
        code="BC306",
        confirm="send two first requests at once to a fresh worker, then the same again after some seconds",
        confidence="medium",
        against=("A model that was never moved to a device shows the same error, in every request.",),
    )
