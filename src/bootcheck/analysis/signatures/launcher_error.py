"""The launcher could not run gunicorn at all (BC520).

What it means
    The unit, container or supervisor failed before gunicorn's first line: no such command, no such
    user or directory, or a file that this machine cannot execute.

How it looks
    `status=203/EXEC`, `Process exited with status 127`, `gunicorn: command not found`,
    `No module named gunicorn`, `can't find command`, `exec format error`, `unable to find user`,
    `./start.sh: Permission denied`; and no line of gunicorn.

Why it happens
    The virtual environment is not where the unit says; gunicorn is missing from the requirements;
    a script keeps the path of a Python that was removed; an image was built for another processor.

What to do
    Write the absolute path of the environment's gunicorn into the unit, and install gunicorn into
    that environment. For 217/USER and 200/CHDIR create the user or the directory that is named.

How to know it is fixed
    The same command, run as the same user in the same directory, prints gunicorn's version.
"""

from __future__ import annotations

import re

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.trouble import Raised, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence, Finding

CAUSE_CLASS = "launcher-error"
RULES = ("BC520",)

_SYSTEMD = (
    r"Failed at step [A-Z]",
    # systemd's own exit statuses, from 200/CHDIR to 245/BPF: no program of the unit gives them.
    r"status=2[0-4]\d/[A-Z_]{2}",
    r"(?:Unable|Failed) to (?:locate|execute) (?:executable|command)",
    r"Failed to (?:determine|resolve) (?:user|group|supplementary)\b",
    r"Changing to the requested working directory failed|Failed to load environment files",
    r"[Ee]xecutable path is not absolute|[Nn]either a valid executable name nor an absolute path",
    r"(?:lacks (?:both )?|has no )ExecStart=|has a bad unit file setting|ConditionFileIsExecutable=\S+ was not met",
    r"Unit (?:file )?\S*gunicorn\S* (?:not found|does not exist|could not be found|failed to load|is masked)",
    r"Failed to set up (?:standard (?:input|output|error)|\w+ namespacing|credentials)|Failed to run '[\w\-]+' task: ",
    r"fatal error, unit will not be started",
)
_CONTAINER = (
    r"starting container process caused|unable to start container process|OCI runtime create failed",
    r"exec user process caused|executable file not found in \$PATH|unable to find user \S+: no matching entries",
    r"exec \S+: (?:no such file|exec format error|permission denied)|[Ee]xec format error",
    r"\b(?:RunContainerError|CreateContainerError|StartError)\b|^ERROR: failed to launch: ",
    r"Cannot (?:create container for|start) service (?!.*already (?:allocated|in use))",
    r"\b(?:ImagePullBackOff|ErrImagePull|CannotPullContainerError)\b|pull access denied for ",
    r"error while creating mount source|\bcrun: (?:open executable|executable file)\b",
    # gVisor, below Cloud Run, and Nomad.
    r"failed to launch command with executor",
    r"Application failed to start: .{0,99}(?:no such file|not f(?:ound|ind)|exec\b|ermission denied|nvalid command)",
    r"catatonit:\d+\): failed to exec|Application failed to start: .*command could not be found",
)
_WRAPPERS = (
    r"newrelic-admin|ddtrace-run|opentelemetry-instrument|poetry|pipenv|uv|pdm|hatch|honcho|supervisord|dumb-init|tini|gosu|"
    r"su-exec|circusd|chamber|doppler|infisical|python(?:\d(?:\.\d+)?)?|uvicorn"
)
_RUNNERS = (
    r"env|nice|ionice|nohup|setsid|stdbuf|timeout|chroot|taskset|chrt|numactl|prlimit|capsh|unshare|nsenter|setpriv|"
    r"flock"
)
_STEPS = rf"(?:^|/|\bsh: |: )(?:{_WRAPPERS}): (?:command )?not found$|\w\.sh: not found$|\$'\\r': command not found"
"""Steps of a start script: it may go on after them."""
_SCRIPT = (
    # Where in the script: dash; bash, and busybox with the name of its own command; zsh.
    r"(?:^(?:[\w.+@~/\-]+: (?:(?:-c|\.|\w+): )?(?:line )?\d+: |[\w.+@~/\-]+:(?:\w+:)?\d+: )(?:"
    r"\S.{0,200}: (?:command )?not found$|command not found: \S|"
    r"[Ss]yntax error\b|parse error near |unexpected EOF while looking for |[Uu]nterminated quoted string|"
    r"(?:.{1,200}: )?[Bb]ad substitution$|.{1,200}: bad variable name$|.{1,200}: not a valid identifier$|"
    r"not valid in this context: |[Ii]llegal option -|(?:set|shopt): .{0,60}(?:[Ii]llegal|invalid(?: shell)?) option|"
    r"no such option: |(?:\.: )?(?:cannot|[Cc]an't) open \S|"
    # What it reads in: the variables, or the virtual environment.
    r"(?:\S*env\S*|\S*/activate|\S+\.sh): (?:No such file or directory|not found)$|"
    r"no such file or directory: (?:\S*env\S*|\S*/activate|\S+\.sh)$)|"
    # One command in place of a script.
    r"^(?:/\S*/)?(?:da|a)?sh: (?:\d+: )?(?:\S{1,80}: not found$|[Ss]yntax error\b|(?:cannot|[Cc]an't) open )|"
    r"^(?:/\S*/)?bash: \S+\.sh: No such file or directory$)"
)
"""A start script that fails at a line of its own: it may go on as well."""
_NO_TOOL = r"^(?!(?:mkdir|touch|ch(?:own|mod|grp)|cp|mv|ln|rm|sed|tee|install|cat|tar|rsync): ).*"
_SHELL = (
    # What a tool may not do in a folder of that name is no command that cannot be run.
    rf"{_NO_TOOL}gunicorn\S*: (?:(?:command )?not found|No such file or directory|cannot execute|Permission denied)",
    # The whole command line in quotes, and an interpreter that may not be run.
    r"(?:^|: )gunicorn [^:]{1,200}: (?:command )?not found",
    r"/bin/(?:python|uvicorn|bash|sh)[\w.]*: (?:Permission denied|Operation not permitted|cannot execute|No such file)",
    # What starts gunicorn in its turn, a script that is not there, and one with another system's line ends.
    _STEPS,
    _SCRIPT,
    r"^ddtrace-run: executable '|program '\S*gunicorn' is currently not installed",
    r"[Cc]ommand not found: \S*gunicorn|bad interpreter: |(?:^|/)env: \S{1,60}: No such file",
    r"(?:Command|The term) '[^']*gunicorn[^']*' (?:not found|is not recognized)",
    r"gunicorn'? (?:is not recognized as an internal|could not be found within PATH)",
    r"no such file or directory: \S*gunicorn|^env: can't execute '",
    r"[Uu]nknown (?:command|CMD)[:,]? \S*gunicorn|\bexec: \S*gunicorn\b.{0,400}: (?:not found|No such file)",
    # The start script cannot go to the app's folder: dash, then bash and busybox.
    r"(?:^|: )cd: (?:can't cd to \S|\S+: (?:No such file or directory|Not a directory|Permission denied)$)",
    # What runs a command in another folder, as somebody else, or within limits.
    rf"^(?:/\S*/)?(?:{_RUNNERS}): (?:cannot change directory to|failed to (?:run|set|exec(?:ute)?))\b",
    rf"^(?:/\S*/)?(?:{_RUNNERS}): (?:invalid (?:user|group|option)|unrecogni[sz]ed option)\b",
    # Node, where a script of its own runs all parts of an app.
    r"\bspawn \S*(?:gunicorn|python|/bin/)\S* E(?:NOENT|ACCES)\b",
    r"[Ff]ailed to spawn(?: command)?: `?\S*gunicorn|executable `?gunicorn`? could not be found",
    # The start script, whatever its name: a shell's and tini's words.
    r"(?:^|/)(?:ba|da|a)?sh: (?:line )?(?:\d+: )?(?:exec: )?\S+: Permission denied$",
    # What takes on another user: su, runuser, sudo, setpriv, start-stop-daemon, chpst.
    r"^(?:su|runuser): (?:warning: )?user \S+ does not exist|^sudo: (?:unknown user|error initializing)",
    r"^sudo: (?:unable to execute|error in event loop|a (?:password|terminal) is required|effective uid is not 0)",
    r"^sudo: The \"no new privileges\" flag",
    r"^setpriv: failed to parse \S+|^start-stop-daemon: user '[^']+' not found|^chpst: fatal: unknown user",
    r"^(?:s6-)?(?:chpst|setuidgid|envuidgid|applyuidgid): fatal: |^su-exec: ",
    r"exec \S+ failed: (?:No such file|Permission denied|Exec format)",
    r"No module named '?gunicorn(?:\.__main__)?'?(?:$|; )|python\S*: can't open file '",
    # Python itself does not come up: PYTHONHOME, or an environment whose Python was removed.
    r"Fatal Python error: (?:init_?fs_?encoding|init_import_site|Py_Initialize|init_sys_streams)",
    r"\b[Ee]xit(?:ed)?(?: with)?(?: code| status)?[:=( ]+12[67]\b",
)
_SUPERVISOR = (
    r"^Error: .* in section '[^']+' \(file: ",
    r"can't find command '|spawnerr: |command at '\S+' is not executable|child process was not spawned",
    r"couldn't (?:exec|chdir to|setuid to) |start: Job failed to start",
    r"^\S+: ERROR \((?:no such file|not executable)\)$|unicorn\S*: ERROR \(no such (?:process|group)\)$",
    r"^unix:///\S*supervisor\S*\.sock (?:no such file|refused connection)",
    r"^(?:s6-|exec|runsv |start-stop-daemon).{0,60}: unable to (?:spawn|exec|start|stat) (?!service \S+: command )",
    r"\[PM2\]\[ERROR\] (?:(?:Script|File) .{1,200}not found|Script not found: )",
)
TELLTALE = late.regex("|".join((*_SYSTEMD, *_CONTAINER, *_SHELL, *_SUPERVISOR)))
WORDS = (
    "unicorn", "Failed to ", "Failed at step", "to locate ", "status=2", "xecut", "directory failed", "ExecStart=",
    "unit file", "was not met", "not found", "is not recognized", "is masked", "Fatal Python", "unable to ",
    "ERROR (", "Cannot ", "sudo: ", "mount source",
    "to launch: ", "container process", "user process", "matching entries",
    "o such file", "xec format", "ermission denied", "rror", "bad interpreter", "spawn", "open file '", "xit",
    "find command", "couldn't ", "can't cd", "Not a directory", "Job failed",
    "OCI runtime", "does not exist", "unknown user", "setpriv: ",
    "ErrImagePull", "ImagePull", "PullContainer", "access denied for", "not installed", ".sock ",
    "change directory to", "failed to run", "failed to set", "failed to exec", ": invalid ", "nrecognized option",
    "nrecognised option",
    "not permitted", "failed to start: ", "failed to launch", "can't execute", "fatal: ",
    "su-exec: ", "failed to exec", "crun: ", "ubstitution", "variable name", "valid identifier", "in this context",
    "llegal option", "nvalid option", "nvalid shell option", "such option", "an't open ", "annot open ",
    "while looking for", "nterminated quoted",
)  # fmt: skip
TELLTALE_CAUSE = Cause.OS_EXIT
_ENDED = late.regex(r"[Ee]xit|\bstatus\b|crash|[Ff]ailed|[Rr]estart")
"""What a platform says of the end of it, whatever that was of."""
_STEP = late.regex(f"{_STEPS}|{_SCRIPT}")
_SERVER = late.regex(r"gunicorn\S*: (?:command )?not found$")
"""It is the server itself that was not found: whatever comes after it is of another try."""
_OWN_UNIT = late.regex(r"unicorn\S*: (?:Failed at step [A-Z]|Main process exited, .*status=2[0-4]\d/[A-Z_]{2})")
_LOADER = late.regex(r"rror while loading shared libraries: |Error loading shared library |Error relocating ")
"""The loader's words: it gives the status 127 as well."""
_ABSENT = late.regex(
    r"No module named '?gunicorn(?:\.(?!conf'|workers\.|"
    r"(?:glogging|six|_compat|argparse_compat|selectors|management)\b)|[';]|$)|"
    r"No module named '?encodings'?$|"
    r"The 'gunicorn[^']*' distribution was not found|"
    r"No package metadata was found for (?:The 'gunicorn|gunicorn)|No such file or directory: '(?:[^']*/)?gunicorn'"
)

_REASONS = (
    (
        late.regex(
            r"USER|GROUP|credentials|find user|setuid|user \S+ does not exist|unknown user|user '[^']+' not found"
        ),
        "the user or group does not exist",
    ),
    (late.regex(r"in section '"), "supervisord refuses the program's section"),
    (late.regex(r"CHDIR|working directory|chdir|cd: |change directory"), "the working directory does not exist"),
    (late.regex(r"[Ee]xec format error"), "the program is for another processor or system"),
    (late.regex(r"No module named|distribution was not|metadata"), "gunicorn is not in the Python that was started"),
    (late.regex(r"bad interpreter|/env: "), "the script names an interpreter that is not there"),
    (late.regex(r"[Pp]ermission denied|not executable|EACCES"), "the command may not be executed"),
    (late.regex(_SCRIPT), "its start script fails at a line of its own"),
    (late.regex(r"unit file|ExecStart|not absolute|Unit "), "the unit is wrong"),
)


def match(trouble: Trouble) -> Finding | None:
    """Conclude where a launcher says so and gunicorn never spoke."""
    error = trouble.error
    if trouble.around.version is not None and not _before(trouble):
        return None
    if error is not None and _is_absent(error):
        line = trouble.shown()
    else:
        line = trouble.line(TELLTALE)
        if not line or error is not None or trouble.says(_LOADER):
            return None
        if _STEP.search(line[0].text) and (not trouble.unstarted or _goes_on(trouble, line[0])):
            return None
    why = next(
        (text for pattern, text in _REASONS if pattern.search(line[0].text)),
        "the command was not found or cannot be executed",
    )
    return conclude(
        trouble,
        f"gunicorn was never started: {why}.",
        "Use the absolute path of the gunicorn in the app's own virtual environment as the command.",
        "Install gunicorn there (pip install gunicorn), and check user and working directory of the unit.",
        code="BC520",
        confirm="run the unit's command by hand, as its user and in its directory, with --version",
        evidence=[*line, *(item for item in trouble.said if one_line(item.text) != one_line(line[0].text))][:4],
    )


def _goes_on(trouble: Trouble, line: Evidence) -> bool:
    """Tell whether a script failed at something else further down: a shell goes on after most of its errors."""
    if _SERVER.search(line.text):
        return False
    later = [note.text for note in trouble.around.notes if (note.line or 0) > (line.line or 0)]
    return any(not TELLTALE.search(text) and not _ENDED.search(text) for text in later)


def _before(trouble: Trouble) -> bool:
    """Tell whether systemd could not run gunicorn's own unit at first, and nothing else went wrong."""
    return bool(trouble.facts.get("alone")) and any(_OWN_UNIT.search(item.text) for item in trouble.said)


def _is_absent(error: Raised) -> bool:
    """Tell whether gunicorn itself is what cannot be imported, from outside of it."""
    return bool(_ABSENT.search(error.text)) and not any(
        re.search(r"/gunicorn/\w", frame.file) for frame in error.frames
    )
