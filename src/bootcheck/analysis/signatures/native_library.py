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

from bootcheck.analysis.conclusion import conclude, first, one_line
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "native-library"
RULES: tuple[str, ...] = ()

_SAID = re.compile(
    r"cannot open shared object file|undefined symbol|GLIBC(?:XX)?_[\d.]+'? not found|"
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
    r"C-extensions failed|No module named '?(?:\w+\.)*(\w+)\._\1'?|"
    r"cannot import name '_(?:imaging\w*|psycopg|mysql|multiarray_umath|rust|ssl|speedups)' from '?\w+|"
    r"No module named '?_(?:sqlite3|ctypes|bz2|lzma|ssl|hashlib|curses|uuid|zstd)\b",
    re.IGNORECASE,
)
TELLTALE = re.compile(
    r"error while loading shared libraries: |symbol lookup error: |Error relocating \S+: |"
    r"version [`'](?:GLIBC|GLIBCXX|CXXABI)_[\d.]+' not found|Error loading shared library \S+: |"
    r"^qemu-\w+: Could not open '|rosetta error: |MKL FATAL ERROR: Cannot load |dyld\S*: (?:Library|Symbol) not "
)
WORDS = (
    "shared librar", "symbol lookup", "Error relocating", "IBC", "CXXABI", "qemu-", "rosetta error", "MKL FATAL",
    "dyld",
)  # fmt: skip
TELLTALE_CAUSE = Cause.OS_EXIT
_LIBRARY = re.compile(
    r"(?<![\w+.\-/])([\w+.\-/]{1,200}\.(?:so|dylib|dll)[\w.\-]{0,40})|(GLIBC(?:XX)?_[\d.]+)|(libpq|libmagic)|"
    r"Can't open lib '([^']{1,120})'"
)


def match(trouble: Trouble) -> Finding | None:
    """Conclude from the loader's own words in an import or a load of a library."""
    error = trouble.error
    line = trouble.line(TELLTALE) if error is None else ()
    if not line and (
        error is None or not _SAID.search(error.text) or error.is_a("ProgrammingError", "OperationalError")
    ):
        return None
    text = line[0].text if line else (error.text if error is not None else "")
    library = first(_LIBRARY, text, "a shared library")
    return conclude(
        trouble,
        f"The system library {library} is missing or does not fit: {one_line(text)}",
        f"Install the system package that holds {library} into this image, or use a package that brings it along.",
        "If the wheel was built for another system (Alpine, an older glibc), install it again inside this image.",
        confirm="python -c 'import PACKAGE' inside the same image",
        evidence=line or None,
    )
