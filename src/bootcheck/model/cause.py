"""Why a process died, in the one vocabulary of reports, and the class in which `analyze` answers."""

from __future__ import annotations

from enum import Enum


class Cause(str, Enum):
    """`verdict.cause`, in order of precedence; `none` belongs to boot reports."""

    CHECK_FAILED = "check_failed"
    BOOT_DEADLINE = "boot_deadline"
    GUNICORN_TIMEOUT = "gunicorn_timeout"
    EXCEPTION = "exception"
    APP_NOT_FOUND = "app_not_found"
    SYS_EXIT = "sys_exit"
    NATIVE_CRASH = "native_crash"
    OOM = "oom"
    SIGKILL_GRACEFUL_TIMEOUT = "sigkill_graceful_timeout"
    SIGKILL_EXTERNAL = "sigkill_external"
    SIGTERM = "sigterm"
    OS_EXIT = "os_exit"
    VANISHED = "vanished"
    NONE = "none"

    __str__ = str.__str__


CODE_OF_CAUSE = {
    Cause.BOOT_DEADLINE: "BC511",
    Cause.GUNICORN_TIMEOUT: "BC510",
    Cause.EXCEPTION: "BC501",
    Cause.APP_NOT_FOUND: "BC502",
    Cause.SYS_EXIT: "BC503",
    Cause.NATIVE_CRASH: "BC509",
    Cause.OOM: "BC508",
    Cause.SIGKILL_GRACEFUL_TIMEOUT: "BC507",
    Cause.SIGKILL_EXTERNAL: "BC506",
    Cause.SIGTERM: "BC505",
    Cause.OS_EXIT: "BC504",
    Cause.VANISHED: "BC512",
}
"""The code of a death whose cause is not a failed check (whose code is the finding's own)."""

CAUSE_CLASSES = (
    "launcher-error",
    "config-file-error",
    "worker-class-unavailable",
    "native-library",
    "tls-error",
    "address-in-use",
    "bad-bind-address",
    "permission-denied",
    "filesystem",
    "resource-limit",
    "illegal-instruction",
    "native-crash",
    "oom-kill",
    "monkey-patch-late",
    "app-not-found",
    "app-syntax-error",
    "version-incompatible",
    "dependency-missing",
    "app-import-error",
    "env-config",
    "db-auth-failed",
    "db-too-many-connections",
    "db-schema-missing",
    "db-forked-connection",
    "db-unreachable",
    "backend-unavailable",
    "app-startup-race",
    "app-exception",
    "boot-timeout",
    "request-timeout",
    "external-stop",
    "shutdown-timeout",
    "none",
)
"""The classes of Gunicorn failures, in order of precedence: the first that fits wins."""
