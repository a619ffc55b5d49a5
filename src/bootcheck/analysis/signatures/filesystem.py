"""A path that the start needs is missing, read-only or full.

What it means
    The file system, not the code, stops the start: no such file or directory, no space, no inodes,
    a read-only mount, no usable temporary directory.

How it looks
    `FileNotFoundError: [Errno 2] No such file or directory: 'settings/production.yaml'`,
    `[Errno 28] No space left on device`, `Read-only file system`, `Can't create workertmp`,
    `connection to /run/shop/web.sock failed: [Errno 2] No such file or directory`.

Why it happens
    A relative path and another working directory; a file left out of the image; a volume that is not
    mounted; `readOnlyRootFilesystem` without a writable /tmp.

What to do
    Create or mount what the message names. For the heartbeat file use `--worker-tmp-dir /dev/shm`.

How to know it is fixed
    `df -h PATH`, `df -i PATH` and `ls -l PATH` as the workers' user show room and the file.
"""

from __future__ import annotations

import re

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, first, one_line
from bootcheck.analysis.trouble import REQUEST, Raised, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "filesystem"
RULES: tuple[str, ...] = ()

_TYPES = ("FileNotFoundError", "NotADirectoryError", "IsADirectoryError", "NoSuchPathError", "NoSuchFile")
_SAID = late.regex(
    r"\[Errno (?:2|5|16|18|20|21|26|27|28|30|36|40|116|122)\]|No space left on device|Read-only file system|"
    r"Can't create (?:workertmp|pidfile)|isn't writable \[|No usable temporary directory|"
    r"unable to open database file|Disk quota exceeded|Stale (?:NFS )?file handle|disk I/O error|"
    r"database or disk is full",
    re.IGNORECASE,
)
_ABSENT = late.regex(
    r"No such file or directory$|errno = 2,|No file or directory found at |file does not exist at: |"
    r"^File not found: |^File \S+ was not found|^Directory '[^']+' does not exist"
)
"""In the words of h5py, Keras, TensorFlow, Google's credentials and Starlette."""
_ABSENT_TYPES = ("OSError", "IOError", "NotFoundError", "ValueError", "RuntimeError", "DefaultCredentialsError")
_CODE = late.regex(
    r"(?<!script)(?:: |\()No such file or directory\b|No such file or directory \(os error 2\)|"
    r"kind: NotFound, message: \"No such|\(os error (?:2|20|28|30)\)|NO_SUCHFILE|\[WinError [23]\]"
)
"""The system's own words, passed on by libraries that have exceptions of their own."""
_THING = (
    r"(?:(?:[Cc]onfig(?:uration)?|[Mm]odel|[Ss]ettings|[Cc]redentials?|[Kk]ey|[Dd]ata(?:set|base)?|[Ii]ndex|[Ll]og|"
    r"[Tt]emplates?|[Ss]tatic\w*|[Uu]pload\w*|[Ss]chema|[Ww]eights?|[Ss]ervice account|JSON|YAML|\.env|[Cc]ert\w*) )?"
    r"(?:[Ff]ile(?:name|path)?|[Ff]older|[Dd]ir(?:ectory)?|[Pp]ath|[Mm]odel|[Cc]heckpoint)\b"
)
_GONE = (
    r"(?:was |is |were )?(?:not found|(?:does not|doesn't|do not|did not) exist|missing|not exist(?:ing)?\b|"
    r"could not be (?:found|opened|read))"
)
_OWN_WORDS = late.regex(
    rf"{_THING}[^\n]{{0,200}}? {_GONE}|"
    rf"(?:[Nn]o|[Mm]issing) (?:\S+ )?{_THING}(?::| (?:was |were )?found| at | in | exists| named |"
    rf" (?=['\"]?(?:[A-Za-z]:|\.{{1,2}}|~)?[/\\]))|"
    rf"(?:annot|[Cc]an't|ould not|[Cc]ouldn't|[Uu]nable to|[Ff]ailed to) (?:find|open|locate) "
    rf"(?:the |a |any )?(?:\S+ )?{_THING}|"
    r"(?<=[\w/])/[\w.\-]+['\"]? (?:does not|doesn't) exist|cannot be opened for loading|"
    r"(?:[Cc]an't|[Cc]annot|[Cc]ould not|[Uu]nable to) open ['\"]?[\w./\-]+\.\w{2,9}\b|"
    r"does not appear to have a file named|no file named [^\n]+ found in directory|"
    r"Path does not point to a (?:file|directory)|^cannot open resource$|"
    r"Certificate argument must be a file path|Path doesn't exist: |"
    r"(?:[Cc]an't|[Cc]annot|[Cc]ould not) open database \""
)
"""How an app and its libraries tell of a file that is not there."""
_NAMES_PATH = late.regex(
    r"(?<![:\w/])(?:[A-Za-z]:|\.{1,2}|~)?[/\\][\w.]|cannot open resource|"
    r"(?:[Dd]irectory|[Ff]older|[Ff]ile|[Pp]ath) ['\"]|"
    r"[\w\-]\.(?:py|json|ya?ml|toml|ini|cfg|conf|env|txt|csv|pkl|pickle|joblib|h5|hdf5|keras|pth?|bin|onnx|pb|tflite|"
    r"model|safetensors|gguf|db|sqlite3?|duckdb|pem|key|crt|cert|html?|xml|xlsx?|parquet|np[yz]|dat|idx|index|faiss|mmdb|"
    r"log|sock|ttf|otf|sh|zip|gz|md|sql|pdf|cbm|ckpt|weights|prototxt|caffemodel|shp|tiff?|nc|pid|properties|p12|jks)\b"
)
_LOCAL = late.regex(
    r"(?:Can't load (?:the )?(?:tokenizer|config\w*|model|\w+ extractor|\w*processor) (?:for|of) |"
    r"Incorrect path_or_model_id: |Repo id must [^\n]{1,120}: )['\"](?:\.{1,2})?/|"
    r"^\.{0,2}/\S+ does not appear to have a file named|"
    r"^['\"]?\.{0,2}/\S+ is not a (?:local folder|valid model)|"
    r"(?:^| )[Pp]ath must be a valid (?:file|database) or directory"
)
"""A model that is looked for in a folder here, in the words of libraries that would fetch it from elsewhere."""
_OTHERWISE = late.regex(
    r"https?://|\b40[0-9]\b|\b50[0-9]\b|[Bb]ucket|s3:|gs:|(?<!/)\b[Mm]odule\b|attribute|\b[Tt]able\b|"
    r"[Ee]nvironment variable|\$\{?[A-Z]|must be set|not set|[Pp]ermission|PATH\b|huggingface|column|relation |role "
)
"""What is missing is something else, or elsewhere."""
_OF_OTHERS = late.regex(
    r"^(?:psycopg2?|asyncpg|MySQLdb|pymysql|mysql|django\.db|pymongo|redis|requests|urllib3|httpx|aiohttp|botocore|boto3|"
    r"google|azure|elasticsearch|opensearchpy|kubernetes|hvac|openai|docker|grpc|subprocess|django\.core\.exceptions)\b"
)
_OWN_FAULTS = (
    *("ImportError", "ModuleNotFoundError", "SyntaxError", "AttributeError", "NameError", "KeyError", "TypeError"),
    *("UnicodeDecodeError", "TemplateSyntaxError", "CalledProcessError", "PermissionError"),
)
TELLTALE = late.regex(
    r"^(?:/\S*/)?(?:mkdir|touch|chown|chmod|cp|mv|ln|rm|sed|tee|install|tar|dd|mktemp|[\w./\-]+\.sh): "
    r".{1,300}: (?:No space left on device|Read-only file system)$"
)
"""What a start script meets before it starts gunicorn."""
WORDS = ("No space left", "Read-only file")
TELLTALE_CAUSE = Cause.NONE
WHILE_SERVING = True
_FULL = late.regex(
    r"\[Errno (?:28|30|122)\]|No space left on device|Read-only file system|disk is full|Disk quota exceeded",
    re.IGNORECASE,
)
"""What fails one request will fail the next: a path that is missing may be that request's own."""
_PATH = late.regex(
    r"(?:directory|file system|device): ['\"]?([^'\"\n]+)|Error: (\S+) doesn't exist|"
    r"RuntimeError: (\S+) doesn't exist|'([^'\n]+)' isn't writable"
)
_REMOVES = late.regex(r"\b(?:os\.|shutil\.)?(?:remove|unlink|rename|rmdir|rmtree)\(")
_MOVES = late.regex(r"' -> '")
"""Two paths: one was to become the other."""
_SOCKET = late.regex(r"\.sock\b")
_NO_FOLDER = late.regex(r"connection to (/.*) failed: \[Errno (?:2|20)\]")
_OWN_SOCKET = late.regex(r"gunicorn/sock\.py (?:close|close_sockets)$")
_WATCHES = late.regex(r"inotify (?:watch|instance) limit")
"""The kernel says ENOSPC of a limit, and no disk is full."""


def match(trouble: Trouble) -> Finding | None:
    """Conclude from ENOENT, ENOSPC, EROFS and their like."""
    error = trouble.error
    if error is None:
        return _of_socket(trouble) or _of_script(trouble)
    if not _fits(error) or (not trouble.died and trouble.moment == REQUEST and not _FULL.search(error.text)):
        return None
    if trouble.died and error.frames and _OWN_SOCKET.search(f"{error.frames[-1].file} {error.frames[-1].function}"):
        return _lost_socket(trouble, error)
    moves = _MOVES.search(error.text) or (error.frames and _REMOVES.search(error.frames[-1].code))
    if moves and "[Errno 2]" in error.text:
        # What was to go is gone already: no path is missing, another worker was faster.
        return None
    if (
        error.is_a("FileExistsError")
        or "[Errno 17]" in error.text
        or _WATCHES.search(error.text)
        or ("No such file" in error.text and _SOCKET.search(error.text))
    ):
        return None
    path = first(_PATH, error.text)
    temporary = "workertmp" in error.text or "temporary directory" in error.text
    return conclude(
        trouble,
        f"The file system stops the start: {one_line(error.text)}",
        "Give the heartbeat file a place: --worker-tmp-dir /dev/shm."
        if temporary
        else f"Create, mount or make room for {path or 'the path that is named'}.",
        "Check that the path is right from the server's working directory (relative paths start there).",
        confirm=f"ls -ld {path}; df -h {path}" if path.startswith("/") else "df -h; df -i",
    )


def _lost_socket(trouble: Trouble, error: Raised) -> Finding:
    """Conclude where Gunicorn's own socket was gone when it was to be removed."""
    return conclude(
        trouble,
        f"The file of Gunicorn's own socket is gone: {one_line(error.text)}",
        "Let nobody else remove it: another server on the same path, a cleaner of temporary files, a RuntimeDirectory.",
        "Old releases of Gunicorn let each worker remove it at its own end: upgrade.",
    )


def _fits(error: Raised) -> bool:
    """Tell whether an exception, of whatever type, tells of a path that is not there, or is full."""
    if error.is_a(*_TYPES) or _SAID.search(error.text):
        return True
    if error.is_a(*_ABSENT_TYPES) and _ABSENT.search(error.message.strip()):
        return True
    if error.is_a(*_OWN_FAULTS) or _OF_OTHERS.search(error.type):
        return False
    if _CODE.search(error.text) or _LOCAL.search(error.message):
        return True
    own = _OWN_WORDS.search(error.message) and _NAMES_PATH.search(error.message)
    return own is not None and _OTHERWISE.search(error.message) is None


def _of_socket(trouble: Trouble) -> Finding | None:
    """Conclude where the folder of Gunicorn's own socket is not there."""
    line = trouble.line(_NO_FOLDER) if trouble.role == "master" and trouble.died else ()
    if not line:
        return None
    folder = first(_NO_FOLDER, line[0].text).rpartition("/")[0]
    return conclude(
        trouble,
        f"The folder of Gunicorn's own socket is not there: {one_line(line[0].text)}",
        f"Create {folder} before the server starts: RuntimeDirectory= in a unit of systemd, mkdir in a start script.",
        code="BC407",
        confirm=f"ls -ld {folder}",
        evidence=line,
    )


def _of_script(trouble: Trouble) -> Finding | None:
    """Conclude where a start script had no room, and no server came up after it."""
    line = trouble.line(TELLTALE) if trouble.unstarted and not trouble.died else ()
    if not line:
        return None
    return conclude(
        trouble,
        f"The file system stops the start: {one_line(line[0].text)}",
        "Make room there, or mount a volume that may be written to.",
        confirm="df -h; df -i; mount",
        evidence=line,
    )
