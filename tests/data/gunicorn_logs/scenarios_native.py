"""Native code: libraries that are missing, processors that lack instructions, crashes, the kernel's memory kills."""

from __future__ import annotations

from scene import HELLO, SERVE, Scenario, app

_EXTENSION = """\
#include <Python.h>
%s
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_fast", NULL, -1, NULL};
PyMODINIT_FUNC PyInit__fast(void) { %s return PyModule_Create(&module); }
"""
_COMPILE = (
    "gcc -shared -fPIC -I$($PYTHON -c 'import sysconfig; print(sysconfig.get_paths()[\"include\"])') {} -o _fast.so {}"
)
_USE = "import _fast\n"


def _extension(head: str, body: str, before: str = "") -> dict[str, str]:
    return {**app(before + _USE + HELLO), "fast.c": _EXTENSION % (head, body)}


_MAPPED = (
    "import ctypes, mmap\n\npage = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
    "page.write(bytes.fromhex('{}'))\n"
    "kernel = ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))\n"
)
_UD2 = "0f0bc3"

SCENARIOS: dict[str, Scenario] = {
    "native-library/linked": Scenario(
        _extension("extern int codec_init(void);", "codec_init();"),
        prepare=(
            "echo 'int codec_init(void) { return 1; }' > codec.c; gcc -shared -fPIC -Wl,-soname,libcodec.so.3 codec.c -o libcodec.so",
            _COMPILE.format("fast.c", "-L. -lcodec"),
            "rm libcodec.so",
        ),
        by="a compiled module whose shared library is not in the image",
    ),
    "native-library/version": Scenario(
        _extension("extern int codec_init(void);", "codec_init();"),
        ("-w", "2", "app:app"),
        prepare=(
            "echo 'int codec_init(void) { return 1; }' > codec.c; echo 'CODEC_2.9 { global: *; };' > map",
            "gcc -shared -fPIC -Wl,-soname,libcodec.so.3 -Wl,--version-script=map codec.c -o libcodec.so.3",
            _COMPILE.format("fast.c", "libcodec.so.3 -Wl,-rpath,'$ORIGIN'"),
            "echo 'CODEC_1.0 { global: *; };' > map",
            "gcc -shared -fPIC -Wl,-soname,libcodec.so.3 -Wl,--version-script=map codec.c -o libcodec.so.3",
        ),
        by="a compiled module that wants a newer version of a shared library",
    ),
    "native-library/symbol": Scenario(
        _extension("extern int codec_flush_all(void);", "codec_flush_all();"),
        prepare=(_COMPILE.format("fast.c", ""),),
        by="a compiled module that wants a symbol nobody has",
    ),
    "native-library/architecture": Scenario(
        _extension("", ""),
        prepare=(
            _COMPILE.format("fast.c", ""),
            "printf '\\001' | dd of=_fast.so bs=1 seek=4 conv=notrunc 2>/dev/null",
        ),
        by="a module built for 32 bits",
    ),
    "illegal-instruction/extension": Scenario(
        _extension("", "__builtin_trap();"),
        ("-w", "2", "app:app"),
        prepare=(_COMPILE.format("fast.c", ""),),
        acts=("wait Booting worker", "sleep 0.8", "leave"),
        by="a compiled module executes an instruction that no processor has, at import",
    ),
    "illegal-instruction/request": Scenario(
        app(_MAPPED.format(_UD2) + "\n\ndef app(environ, start_response):\n    kernel()\n"),
        ("-w", "2", "--access-logfile", "-", "app:app"),
        ("wait Booting worker", "sleep 1.5", "get /predict", "sleep 1", "get /predict", "sleep 1", "signal TERM"),
        by="native code executes such an instruction in a request",
    ),
    "illegal-instruction/faulthandler": Scenario(
        app(_MAPPED.format(_UD2) + "\n\ndef warm_up():\n    kernel()\n\n\nwarm_up()\n" + HELLO),
        environ={"PYTHONFAULTHANDLER": "1"},
        acts=("wait Booting worker", "sleep 0.15", "leave"),
        by="the same at import, with Python's fault handler on",
    ),
    "native-crash/extension": Scenario(
        _extension("", "*(volatile int *)16 = 1;"),
        ("-w", "2", "app:app"),
        prepare=(_COMPILE.format("fast.c", ""),),
        environ={"PYTHONFAULTHANDLER": "1"},
        acts=("wait Booting worker", "sleep 0.15", "leave"),
        by="a compiled module writes to a null pointer at import",
    ),
    "native-crash/double-free": Scenario(
        app(
            "import ctypes\n\nlibc = ctypes.CDLL(None)\nlibc.malloc.restype = ctypes.c_void_p\n"
            "libc.free.argtypes = [ctypes.c_void_p]\n\n\ndef app(environ, start_response):\n"
            "    block = libc.malloc(100)\n    libc.free(block)\n    libc.free(block)\n"
        ),
        acts=("wait Booting worker", "sleep 1", "get /", "sleep 1", "signal TERM"),
        by="memory freed twice in a request: glibc aborts",
    ),
    "native-crash/gthread": Scenario(
        app("import ctypes\n\n\ndef app(environ, start_response):\n    ctypes.memset(8, 0, 4096)\n"),
        ("-k", "gthread", "--threads", "4", "-w", "2", "app:app"),
        ("wait Booting worker", "sleep 1", "get /", "get /", "sleep 1", "signal TERM"),
        environ={"PYTHONFAULTHANDLER": "1"},
        by="a thread of a worker writes where it must not",
    ),
    "oom-kill/import": Scenario(
        app("weights = [bytearray(b'x' * (1 << 20)) for _ in range(400)]\n" + HELLO),
        memory=120,
        seconds=4,
        by="the control group's memory is used up at import",
    ),
    "oom-kill/request": Scenario(
        app(
            "held = []\n\n\ndef app(environ, start_response):\n    if environ['PATH_INFO'] == '/report':\n"
            "        held.extend(bytearray(b'x' * (1 << 20)) for _ in range(400))\n"
            "    start_response('200 OK', [])\n    return [b'fine']\n"
        ),
        ("-w", "2", "--access-logfile", "-", "app:app"),
        (*SERVE, "get /report", "sleep 1.5", "get /", "signal TERM"),
        memory=160,
        by="a request uses up the control group's memory",
    ),
}
