"""`bootcheck run -- COMMAND`: a parent for any server, fit to be PID 1.

One process, one thread, the standard library: it passes signals on, reaps what is orphaned, ends as
its child ends, and sees to it that a death of the server has exactly one report. What only a death
needs (reports, verdicts) is loaded when there is one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from bootcheck.model.errors import BootcheckError

GRACE = 10.0
"""Seconds for what a dead server left behind to end by itself, before it is killed."""


class CannotRun(BootcheckError):  # noqa: N818 - it tells what happened
    """The command cannot be started; `exit_code` is what a shell would end with."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def run(
    argv: Sequence[str], *, tail: bool = False, grace: float = GRACE, environ: Mapping[str, str] = os.environ
) -> int:
    """Run a command to its end; return its exit status, or die by the signal that ended it.

    Raises CannotRun where the command cannot be started or a setting is wrong.
    """
    from bootcheck.model.errors import SettingError
    from bootcheck.settings import Settings

    if not sys.platform.startswith("linux"):
        msg = "`bootcheck run` needs Linux. Start the server itself here."
        raise CannotRun(msg, 2)
    try:
        settings = Settings.from_environ(environ)
    except SettingError as exc:
        from bootcheck.model.codes import EX_CONFIG

        raise CannotRun(str(exc), EX_CONFIG) from exc
    from bootcheck.parent.departure import end_as
    from bootcheck.parent.watch import Watch

    return end_as(Watch(argv, settings, environ, tail=tail, grace=grace).run())
