"""The one base class of everything bootcheck raises on purpose."""

from __future__ import annotations


class BootcheckError(Exception):
    """An error that says what, where and the next step; `exit_code` is what a command ends with."""

    exit_code = 2


class SettingError(BootcheckError, ValueError):
    """A setting of bootcheck itself that is unknown or has an unusable value."""


class CheckOptionError(BootcheckError, ValueError):
    """An option of a check that is unknown or has an unusable value."""


class OnceFailed(BootcheckError):  # noqa: N818 - it tells what happened to the work, elsewhere
    """Work that one worker did for all of them failed there."""

    def __init__(self, name: str, pid: int, error: str) -> None:
        super().__init__(f"{name} failed in process {pid}, which did it for all workers: {error}")
        self.name = name
        self.pid = pid
        """The process that ran it."""
        self.error = error
        """Type and text of what it raised there."""


class LoadReentered(BootcheckError, RuntimeError):  # noqa: N818 - it tells what the loader did
    """A loader waits, directly or over others, for itself."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is asked for while the same caller loads it, directly or through another loader, and would wait "
            f"for itself for ever. Let the loader use what it has made itself instead of calling {name} again."
        )
        self.name = name


class OnceHeld(BootcheckError, TimeoutError):  # noqa: N818 - it tells who has the work
    """Work that another process does for all was not finished in the time that this one waits."""

    def __init__(self, name: str, holder: str, seconds: float) -> None:
        super().__init__(
            f"{name} was not finished within {seconds:g} s: {holder}. It is that process's to finish: look at it with "
            f"`bootcheck dump`; when it ends, the next caller takes over. [BC307 run-once-not-finished]"
        )
        self.name = name
        self.holder = holder
        """Who has it: pid, host and since when."""
