"""gevent or eventlet patched the standard library after it was in use (BC525).

What it means
    `ssl`, `threading` or `socket` had been imported before monkey patching. Some objects are patched
    and some are not: TLS recurses without end, locks block the whole worker.

How it looks
    `MonkeyPatchWarning: Monkey-patching ssl after ssl has already been imported may lead to errors`,
    `RecursionError: maximum recursion depth exceeded` inside ssl.py.

Why it happens
    `--preload`, or an import in gunicorn.conf.py (requests, boto3), runs before the gevent worker
    patches.

What to do
    Patch first: `from gevent import monkey; monkey.patch_all()` as the first lines of gunicorn.conf.py,
    or do without `--preload`.

How to know it is fixed
    The warning is gone, and a TLS request from the app succeeds.
"""

from __future__ import annotations

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "monkey-patch-late"
RULES = ("BC525",)
WHILE_SERVING = True

TELLTALE = late.regex(
    r"MonkeyPatchWarning: |Monkey-patching ssl after ssl has already been imported|"
    r"RLock\(s\) were not greened"
)
WORDS = ("onkey", "not greened")
TELLTALE_CAUSE = Cause.NONE
_RECURSION = late.regex(r"maximum recursion depth exceeded")


def match(trouble: Trouble) -> Finding | None:
    """Conclude from the library's own warning, or from endless recursion inside ssl."""
    error = trouble.error
    in_ssl = (
        error is not None
        and bool(_RECURSION.search(error.text))
        and any(frame.file.endswith(("ssl.py", "gevent/_ssl3.py", "gevent/ssl.py")) for frame in error.frames)
    )
    line = trouble.line(TELLTALE)
    if not in_ssl and not (line and error is None and not trouble.died):
        return None
    return conclude(
        trouble,
        "gevent or eventlet patched ssl or threading after they had been imported.",
        "Put `from gevent import monkey; monkey.patch_all()` first in gunicorn.conf.py, before any other import.",
        "Or start without --preload, so that the worker patches before the app is imported.",
        code="BC525",
        confirm="the MonkeyPatchWarning is gone from the log",
        evidence=[*line, *(trouble.shown() if in_ssl else ())][:3],
    )
