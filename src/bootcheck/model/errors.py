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
