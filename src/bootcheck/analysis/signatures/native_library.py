"""A shared library is missing, or does not fit this system.

What it means
    A Python package with native code was found, but the system library under it was not, or is of
    another version, libc or processor. Python cannot load it.

How it looks
    `ImportError: libGL.so.1: cannot open shared object file`, `undefined symbol`, `GLIBC_2.34' not found`,
    `wrong ELF class`, `no pq wrapper available`.

Why it happens
    A slim image without the library; a wheel built on a newer distribution; Alpine (musl) with a
    glibc wheel; an environment copied from another machine.

What to do
    Install the system package that holds the library (`apt-file search NAME`, `apk info --who-owns`),
    or a package that brings its own (psycopg[binary], opencv-python-headless).

How to know it is fixed
    `python -c "import PACKAGE"` succeeds inside the same image, and `ldd` on the .so lists no `not found`.
"""

from __future__ import annotations

import re

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, first, one_line
from bootcheck.analysis.libraries import is_shared
from bootcheck.analysis.trouble import Raised, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "native-library"
RULES: tuple[str, ...] = ()
WHERE_ALL_FAIL = True

_SAID = late.regex(
    r"cannot open shared object file|undefined symbol|rtld: 0712-\d+|\b0509-\d{3} |GLIBC(?:XX)?_[\d.]+'? not found|"
    r"version [`'][A-Z]\w*_[\d.]+\w?' not found|"
    r"GLIBC(?:XX)?_\S+ not found|libc not found|mach-o, but wrong architecture|symbol not found in flat namespace|"
    r"Symbol not found: |Reason: (?:image not found|tried: )|ELF load command|cannot enable executable stack|"
    r"failed to map segment from shared object|Unable to find .{1,60}shared library|OSError: \S+\.(?:so|dylib)\S*: |"
    r"wrong ELF class|invalid ELF header|"
    r"symbol lookup error|Library not loaded|incompatible architecture|Error loading shared library|"
    r"Error relocating|: symbol not found|"
    r"static TLS block|no pq wrapper available|libpq library not found|DLL load failed|failed to find libmagic|"
    r"cannot load library|Can't open lib '|no library called|file too short$|OSError: [\w.\-]+ library not found|"
    r"Could not find the \w+ library|Could not find lib \S+ or load any|\[WinError (?:126|193)\]|"
    r"Could not find module '[^']+\.dll'|dlopen\(.{1,300}(?:image not found|tried: )|libcurl link-time ssl backend|"
    r"(?:could not|failed to) load (?:dynamic|shared) (?:object|library)|library version mismatch|"
    r"Required library version not found: lib|CUDA Setup failed|"
    r"C-extensions failed|No module named '?(?:\w+\.)*(\w+)\._\1'?|"
    r"cannot import name '?(?:_(?:imaging\w*|psycopg|mysql|multiarray_umath|rust|ssl|speedups)' from '?\w+|cygrpc\b)|"
    r"No module named '?(?:_(?:sqlite3|ctypes|bz2|lzma|ssl|hashlib|curses|uuid|zstd|gdbm|dbm|decimal|elementtree|"
    r"posixshmem|multiprocessing|mysql|snappy|brotli|libvips|jpype)\b|[\w.]+\.(?:_(?:rust|imaging\w*|psycopg|mysql|"
    r"mssql|"
    r"multiarray_umath|C|fblas|flapack|check_build|websocket|http_parser|quoting\w*|errors|path|swigfaiss|"
    r"pywrap_tensorflow\w*|raw_\w+|brotli|context|cffi)|\w*__mypyc|cygrpc|cimpl)\b|"
    r"(orjson|rpds|cv2|jiter|nh3|uuid_utils)\.\2\b|lxml\.etree|pandas\._libs|pyarrow\.lib|shapely\.lib|uvloop\.loop|"
    r"asyncpg\.protocol|zmq\.backend|sqlalchemy\.cyextension|h5py\.h5)|"
    r"NameError: name '_(?:mysql|psycopg|imaging)' is not defined|C module is not installed|C library was not found|"
    r"DPI-1047|Cannot locate a \d\d-bit Oracle Client|failed to load a library: |legacy provider failed to load|"
    r"cannot restore segment prot|"
    r"(?:cannot|could not|unable to|failed to) load (?:the )?[\w.+\-]+ (?:shared )?library|"
    r"(?:cannot|could not|can't|unable to) (?:find|locate|load) (?:the |any of )?lib(?!rar)[a-z]\w*|"
    r"\blib(?!rar)[a-z]\w*(?:\.so\S*)? (?:was )?not found|could not be loaded\.\s+Likely causes|"
    r"Cannot find \w+ library (?:file )?in |shared library\b.{0,60}\bnot found|No \w+ shared library|"
    r"loading the '\S+' shared library|Could not find/load shared object|usb\.core\.NoBackendError",
    re.IGNORECASE,
)
_PART = late.regex(
    r"No module named '?([A-Za-z]\w*)\.[\w.]+'?$|cannot import name '?_[a-z]\w*'?(?: from '([A-Za-z]\w*)|$)"
)
_BUNDLED = late.regex(r"\bsix\b|vendor|extern|\.packages\b")
_IMPORTING = late.regex(r"<frozen |/importlib/")
TELLTALE = late.regex(
    r"error while loading shared libraries: |symbol lookup error: |Error relocating \S+: |"
    r"version [`'](?:GLIBC|GLIBCXX|CXXABI)_[\d.]+' not found|Error loading shared library \S+: |"
    r"^qemu-\w+: Could not open '|rosetta error: |MKL FATAL ERROR: Cannot load |dyld\S*: (?:Library|Symbol) not "
)
WORDS = (
    "shared librar", "symbol lookup", "Error relocating", "IBC", "CXXABI", "qemu-", "rosetta error", "MKL FATAL",
    "dyld",
)  # fmt: skip
TELLTALE_CAUSE = Cause.OS_EXIT
_LIBRARY = late.regex(
    r"(?<![\w+.\-/])([\w+.\-/]{1,200}\.(?:so|dylib|dll)[\w.\-]{0,40})|(GLIBC(?:XX)?_[\d.]+)|(libpq|libmagic)|"
    r"Can't open lib '([^']{1,120})'"
)


def match(trouble: Trouble) -> Finding | None:
    """Conclude from the loader's own words in an import or a load of a library."""
    error = trouble.error
    line = trouble.line(TELLTALE) if error is None else ()
    if not line and (error is None or not (_is_said(error) or _lacks_its_own_part(error))):
        return None
    text = line[0].text if line else (error.text if error is not None else "")
    found = first(_LIBRARY, text)
    library = found and f"The system library {found}"
    return conclude(
        trouble,
        f"{library or 'A system library'} is missing or does not fit: {one_line(text)}",
        f"Install the system package that holds {found or 'it'} into this image, or use one that brings it along.",
        "If the wheel was built for another system (Alpine, an older glibc), install it again inside this image.",
        confirm="python -c 'import PACKAGE' inside the same image",
        evidence=line or None,
    )


def _is_said(error: Raised) -> bool:
    return bool(_SAID.search(error.text)) and not error.is_a("ProgrammingError", "OperationalError")


def _lacks_its_own_part(error: Raised) -> bool:
    """Tell whether a package itself asks for a part of it that is not there: the compiled one, of another platform."""
    part = _PART.search(error.message) if error.is_a("ImportError", "ModuleNotFoundError") else None
    asking = next((frame for frame in reversed(error.frames) if not _IMPORTING.search(frame.file)), None)
    if part is None or asking is None or "-packages/" not in asking.file or "partially initialized" in error.message:
        return False
    if (asking.code and not asking.code.startswith(("from ", "import "))) or _BUNDLED.search(error.message):
        # It imports what somebody has named, or what it has brought along from elsewhere.
        return False
    package = part[1] or part[2]
    own = re.split(r"(?:site|dist)-packages/", asking.file)[-1].partition("/")[0]
    return (package or own) == own and not is_shared(own)
