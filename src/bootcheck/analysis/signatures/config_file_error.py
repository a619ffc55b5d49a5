"""Gunicorn's own configuration is unusable (BC521).

What it means
    Gunicorn stopped before it loaded the app: its configuration file is missing or raises, an
    option is unknown, a value is of the wrong kind, or a server hook in the file raises.

How it looks
    `Failed to read config file:`, `Error: 'conf.py' doesn't exist`, `Invalid value for workers: many`,
    `gunicorn: error: unrecognized arguments:`, or a traceback that enters your file from `cfg.post_fork`.

Why it happens
    A typing error; a variable that the file reads and that is not set here; a hook written for
    another release; the wrong working directory.

What to do
    Correct the option or value that the message names. In the file, read variables with a default.

How to know it is fixed
    `gunicorn --check-config -c FILE APP` ends with status 0.
"""

from __future__ import annotations

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.trouble import Frame, Raised, Trouble, is_library
from bootcheck.model.finding import Evidence, Finding

CAUSE_CLASS = "config-file-error"
RULES = ("BC521",)
WHILE_SERVING = True

_SAID = late.regex(
    r"class uri \S*[Ll]ogger\S* invalid or not found|"
    r"Failed to read config file: |^Invalid value for \w+: |(?:gunicorn\S*|__main__\.py) ?: error: |"
    r"^usage: (?:gunicorn|__main__\.py) \[OPTIONS\]|"
    r"^Error: '.*' doesn't exist$|"
    r"^Error: (?:Value must|Not an? |Value is not|Unknown|Unable to|No such (?:user|group)|Invalid value|.*\barity\b)|"
    # Of an option's value or the file: an app's ValueError would have a traceback.
    r"^Error: (?:Error: )?(?:log config .* not found|can't chdir to |No application module specified|"
    r"invalid literal for |could not convert string to |environment setting '\w+' invalid|"
    r"Invalid (?:type for casting|boolean|reload_engine|header map behaviour|ASGI \w+|http2_cleartext): |"
    r"(?:proxy_protocol|http_parser|http_protocols) must be\b|Value '.*' is not import string|Can not load '.*' from '|"
    r"'[^']+\.(?:ini|conf|cfg|py|toml)' not found$|invalid syslog address|unknown facility name|"
    r"http_protocols includes h2 )"
)
_PLAIN = late.regex(r"(?:gunicorn\S*|__main__\.py) ?: error: |Failed to read config file: |^Invalid value for \w+: ")
_MODULE = late.regex(
    r"^Error: (?:No module named '[^']+'(?:; '[\w.]+' is not a package)?$|cannot import name '\w+' from |"
    r"name '\w+' is not defined|invalid syntax \(|unexpected indent \(|.{1,80} \(\S*conf\w*\.py, line \d+\)$)"
)
"""Python's own words after Gunicorn's: of a file there is a traceback, of `-c python:MODULE` this line alone."""
_HOOK = late.regex(
    r"\bcfg\.(?P<hook>on_starting|on_reload|when_ready|pre_fork|post_fork|post_worker_init|worker_int|"
    r"worker_abort|pre_exec|"
    r"pre_request|post_request|child_exit|worker_exit|nworkers_changed|on_exit|ssl_context)\("
)
_HOOKS = frozenset(
    """
    on_starting on_reload when_ready pre_fork post_fork post_worker_init worker_int worker_abort pre_exec pre_request
    post_request child_exit worker_exit nworkers_changed on_exit ssl_context
    """.split()  # noqa: SIM905
)
_OWN_FILE = late.regex(r"(?:^|[/\\])gunicorn[\w.\-]*\.py$|(?:^|[/\\])\w*gunicorn\w*conf\w*\.py$")
"""What people call the file: a hook in it is known by its name, where Gunicorn's line that calls it was left out."""
_NO_FILE = late.regex(r"^'[^']+\.(?:py|conf|cfg|ini|txt)' doesn't exist$")
_READING = frozenset(
    {
        "get_config_from_filename",
        "get_config_from_module_name",
        "load_config_from_module_name_or_filename",
        # Of bootcheck.conf, which executes the configuration file that lies beside it.
        "_take_over",
    }
)


def _of_a_setting(trouble: Trouble) -> bool:
    """Tell whether Gunicorn's own reading of a setting raised (WEB_CONCURRENCY=auto); certificates are told apart."""
    error = trouble.error
    if error is None:
        return False
    inner = error.frames[-1].file if error.frames else ""
    if error.message.startswith("No configuration setting for: ") or any(
        frame.function == "get_cmd_args_from_env" for frame in error.frames
    ):
        return True
    if inner.endswith("gunicorn/config.py"):
        return "file" not in error.message
    return _sets_up_logging(error) or (error.is_a("RuntimeError") and bool(_NO_FILE.search(error.message)))


def _of_a_module(trouble: Trouble) -> tuple[Evidence, ...]:
    """Return the line of a configuration that is a module: it is read before anything else is said."""
    known = trouble.around.version is not None or (trouble.error is not None and trouble.error.frames)
    return () if known else tuple(item for item in trouble.said if _MODULE.search(item.text))[:1]


def _sets_up_logging(error: Raised) -> bool:
    """Tell whether the logging that was configured for Gunicorn is wrong; a file that cannot be opened is none."""
    asked = any(
        frame.file.endswith("gunicorn/glogging.py") and frame.function == "setup" and "Config(" in frame.code
        for frame in error.frames
    )
    return asked and not error.is_a("PermissionError", "FileNotFoundError") and "[Errno" not in error.message


def _hook_of(frame: Frame) -> str | None:
    """Return the hook that a frame calls, or is."""
    found = _HOOK.search(frame.code) if "gunicorn" in frame.file else None
    if found is not None:
        return found["hook"]
    itself = frame.function in _HOOKS and _OWN_FILE.search(frame.file) and not is_library(frame.file)
    return frame.function if itself else None


def match(trouble: Trouble) -> Finding | None:
    """Conclude from gunicorn's words, or from a traceback that enters the configuration file."""
    error = trouble.error
    frames = error.frames if error is not None else ()
    hook = next((name for frame in frames if (name := _hook_of(frame))), None)
    reading = any(frame.function in _READING for frame in frames) or _of_a_setting(trouble)
    line = trouble.line(_PLAIN) or trouble.line(_SAID) or _of_a_module(trouble)
    # An app that parses Gunicorn's arguments under --preload says the same words, and exits by itself.
    exits = error is not None and error.is_a("SystemExit")
    if hook is None and not reading and (exits or not (line and trouble.role == "master")):
        return None
    what = f"the hook {hook} raised {error.text}" if hook and error else ""
    if not what:
        what = one_line(line[0].text if line else "")
        what = f"{what} ({one_line(error.told)})" if what and error is not None and reading else what
    return conclude(
        trouble,
        f"Gunicorn's own configuration is unusable: {what or (one_line(error.text) if error else '')}",
        f"Correct {error.where}."
        if error is not None and error.where
        else "Correct the option or value that the message names.",
        "Read variables in the configuration file with a default, so that a missing one does not stop gunicorn.",
        code="BC521",
        confirm="gunicorn --check-config -c FILE APP",
        evidence=[*line, *trouble.shown()][:4] if error is not None else trouble.said[:4],
    )
