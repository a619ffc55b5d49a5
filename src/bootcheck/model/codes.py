"""The catalogue of codes: for ever, never reused, with no severity in them.

BC0xx bootcheck itself · BC1xx environment and configuration · BC2xx database and fork ·
BC3xx models and readiness · BC4xx resources · BC5xx deaths and signals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

EX_CONFIG = 78
"""sysexits.h: something was found in an unconfigured or misconfigured state."""
EX_UNAVAILABLE = 69
"""sysexits.h: a service is unavailable."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One code: the name of the bad thing and what its presence means to tools."""

    code: str
    slug: str
    """Names the bad thing, so that "allow <slug>" reads right."""
    title: str
    cause_class: str
    """The class in which `bootcheck analyze` answers."""
    exit_code: int = EX_CONFIG
    """What a master that the preflight stops for it exits with."""

    @property
    def transient(self) -> bool:
        """True where waiting may cure it."""
        return self.exit_code == EX_UNAVAILABLE


def _service(code: str, slug: str, title: str, cause_class: str) -> Rule:
    return Rule(code, slug, title, cause_class, EX_UNAVAILABLE)


_RULES = (
    Rule("BC001", "report-directory-unusable", "The report directory cannot be used", "filesystem"),
    Rule("BC002", "check-crashed", "A check itself failed or ran out of time", "app-exception"),
    Rule("BC003", "gunicorn-seam-unknown", "A part of Gunicorn looks unlike any known version", "version-incompatible"),
    Rule("BC101", "env-variable-missing", "A required environment variable is not set", "env-config"),
    Rule("BC102", "env-variable-empty", "A required environment variable is empty", "env-config"),
    Rule("BC103", "secret-too-short", "A secret is shorter than required", "env-config"),
    Rule("BC104", "secret-is-placeholder", "A secret is a well-known placeholder", "env-config"),
    Rule("BC105", "secret-low-entropy", "A secret is easy to guess", "env-config"),
    Rule("BC106", "env-value-invalid", "An environment variable has a value of the wrong kind", "env-config"),
    Rule("BC107", "env-sources-conflict", "Several sources set the same variable differently", "env-config"),
    Rule("BC110", "database-url-postgres-scheme", "The URL begins with postgres://", "env-config"),
    Rule("BC111", "database-url-malformed", "The database URL cannot be parsed", "env-config"),
    Rule(
        "BC112",
        "database-driver-missing",
        "The driver that the database URL needs is not installed",
        "dependency-missing",
    ),
    Rule(
        "BC113", "database-url-unescaped", "The password in the database URL holds an unescaped character", "env-config"
    ),
    Rule("BC114", "database-url-unknown-scheme", "The database URL names an unknown dialect", "env-config"),
    Rule("BC120", "configuration-class-unusable", "No configuration class could be loaded", "env-config"),
    Rule("BC121", "flask-setting-missing", "A critical Flask setting is missing", "env-config"),
    Rule("BC122", "flask-setting-insecure", "A Flask security setting is unsafe", "env-config"),
    Rule("BC123", "configuration-setting-missing", "The configuration class lacks a required setting", "env-config"),
    Rule("BC130", "module-not-importable", "A module that the app needs cannot be imported", "dependency-missing"),
    Rule(
        "BC201",
        "pool-shared-after-fork",
        "Workers share connections that the master opened",
        "db-forked-connection",
    ),
    Rule(
        "BC202",
        "raw-connection-shared",
        "A driver's connection in a global is shared by all workers",
        "db-forked-connection",
    ),
    Rule("BC203", "pool-opened-before-fork", "A psycopg_pool was opened before the fork", "db-forked-connection"),
    Rule(
        "BC204",
        "inherited-connection-unknown",
        "A connection whose owner is not known was inherited by the workers",
        "db-forked-connection",
    ),
    Rule("BC205", "thread-lost-at-fork", "Threads of the master do not exist in the workers", "app-exception"),
    Rule("BC206", "native-thread-before-fork", "A native library has threads in the master", "native-crash"),
    Rule("BC207", "openmp-used-before-fork", "OpenMP was used in the master", "native-crash"),
    Rule("BC208", "lock-held-at-fork", "A lock is held while the master forks", "request-timeout"),
    Rule("BC209", "executor-used-before-fork", "An executor was used in the master", "request-timeout"),
    _service("BC210", "database-refused", "The database refuses connections", "db-unreachable"),
    _service("BC211", "database-host-unresolved", "The database's host name does not resolve", "db-unreachable"),
    _service("BC212", "database-timeout", "The database does not answer in time", "db-unreachable"),
    Rule("BC213", "database-auth-failed", "The database refuses user or password", "db-auth-failed"),
    Rule("BC214", "database-missing", "The database does not exist", "db-auth-failed"),
    _service(
        "BC215",
        "database-too-many-connections",
        "The database's connection limit is reached",
        "db-too-many-connections",
    ),
    Rule("BC216", "database-tls-failed", "TLS with the database fails", "db-unreachable"),
    _service("BC217", "database-starting-up", "The database is still starting", "db-unreachable"),
    Rule("BC218", "database-privilege-missing", "The database user lacks a privilege", "db-auth-failed"),
    Rule("BC219", "database-read-only", "The database is a read-only standby", "db-unreachable"),
    Rule("BC220", "database-error", "The database answers with another error", "db-unreachable"),
    Rule("BC221", "engine-options-risky", "The engine's pool options invite stale connections", "db-unreachable"),
    Rule(
        "BC222",
        "pool-exceeds-server-limit",
        "All pools together exceed the server's connection limit",
        "db-too-many-connections",
    ),
    Rule(
        "BC223", "service-lost-at-fork", "A log listener or scheduler runs in the master and no worker", "app-exception"
    ),
    Rule("BC224", "event-loop-before-fork", "An event loop was made before the fork", "app-exception"),
    Rule("BC225", "temporary-files-shared", "The first worker that ends removes temporary files of all", "filesystem"),
    Rule("BC226", "exit-handlers-inherited", "Exit handlers of the master run in every worker", "app-exception"),
    Rule("BC227", "random-state-shared", "All workers draw the same random numbers", "app-exception"),
    Rule("BC228", "cuda-before-fork", "CUDA was initialised in the master", "native-crash"),
    Rule("BC229", "heap-not-frozen", "A large heap is copied into every worker", "oom-kill"),
    Rule("BC301", "mapper-unresolved", "A model relationship does not resolve", "app-exception"),
    Rule("BC302", "migrations-pending", "The database lacks migrations", "db-schema-missing"),
    Rule("BC303", "initialisation-failed", "The one-time initialisation failed", "app-exception"),
    Rule("BC304", "models-missing", "Expected model classes do not exist", "app-import-error"),
    Rule("BC305", "warm-up-failed", "A warm-up that the boot can do without failed", "app-exception"),
    Rule("BC306", "loaded-by-several-at-once", "Several callers loaded the same thing at once", "app-startup-race"),
    Rule("BC307", "run-once-not-finished", "Work that one process does for all is not finished", "app-startup-race"),
    Rule("BC308", "work-repeated-by-every-worker", "Every worker repeats expensive work", "boot-timeout"),
    Rule("BC309", "boot-slower-than-before", "A start takes longer than the one before it", "boot-timeout"),
    Rule("BC401", "disk-space-low", "A file system is nearly full", "filesystem"),
    Rule("BC402", "path-not-writable", "A path cannot be written by the workers' user", "permission-denied"),
    Rule("BC403", "worker-tmp-dir-unusable", "The workers' heartbeat directory cannot be used", "filesystem"),
    Rule("BC404", "descriptor-limit-low", "The limit of open files is too low", "resource-limit"),
    Rule("BC405", "port-in-use", "The address to bind is taken", "address-in-use"),
    Rule("BC406", "path-missing", "A path that the app needs does not exist", "filesystem"),
    Rule("BC407", "bind-address-unusable", "The address to bind cannot be used on this machine", "bad-bind-address"),
    Rule("BC408", "bind-not-permitted", "The master may not bind the address", "permission-denied"),
    Rule("BC501", "boot-exception", "The app raised while it was loaded", "app-exception"),
    Rule("BC502", "app-not-found", "The module or attribute named as the app does not exist", "app-not-found"),
    Rule("BC503", "sys-exit-in-boot", "The app called sys.exit while it was loaded", "app-exception"),
    Rule("BC504", "silent-exit", "The process ended with a status and without an exception", "app-exception"),
    Rule("BC505", "stopped-in-boot", "A stop signal came before the worker was ready", "external-stop"),
    Rule("BC506", "killed-from-outside", "Somebody else sent SIGKILL", "external-stop"),
    Rule("BC507", "killed-after-grace", "The master killed a worker that did not stop in time", "shutdown-timeout"),
    Rule("BC508", "killed-for-memory", "The kernel killed the process for memory", "oom-kill"),
    Rule("BC509", "crashed-in-native-code", "A fault signal ended the process", "native-crash"),
    Rule("BC510", "timed-out-by-gunicorn", "The master timed the worker out", "request-timeout"),
    Rule("BC511", "boot-deadline-exceeded", "The worker was not ready before the boot deadline", "boot-timeout"),
    Rule("BC512", "vanished", "The process ended without leaving a word", "external-stop"),
    Rule(
        "BC513",
        "stopped-by-platform",
        "A probe, health check or supervisor stops a server that is well",
        "external-stop",
    ),
    Rule("BC520", "launcher-failed", "The launcher could not run gunicorn at all", "launcher-error"),
    Rule("BC521", "gunicorn-configuration-unusable", "Gunicorn's own configuration is unusable", "config-file-error"),
    Rule("BC522", "worker-class-not-loadable", "The worker class cannot be imported", "worker-class-unavailable"),
    Rule("BC523", "listener-tls-unusable", "The certificate or key of Gunicorn's listener is unusable", "tls-error"),
    Rule("BC524", "listener-out-of-reach", "Gunicorn listens where nobody outside can reach it", "bad-bind-address"),
    Rule(
        "BC525", "monkey-patched-late", "gevent or eventlet patched the standard library too late", "monkey-patch-late"
    ),
    Rule("BC526", "probe-kills-boot", "A probe ends the server before its boot can be over", "external-stop"),
    Rule("BC527", "probe-ill-suited", "A probe asks the wrong question or acts at the wrong time", "external-stop"),
)

CODES: Mapping[str, Rule] = MappingProxyType({rule.code: rule for rule in _RULES})
SLUGS: Mapping[str, Rule] = MappingProxyType({rule.slug: rule for rule in _RULES})


def find(text: str) -> Rule | None:
    """Return the rule with this code or slug, whatever its case, or None."""
    return CODES.get(text.upper()) or SLUGS.get(text.lower())
