"""Things that change the process to prevent a failure: one file per prevention.

`GUARDS` names each once; a file that it does not name fails a test.
"""

from __future__ import annotations

GUARDS = (
    "boot_deadline",
    "fresh_pools",
    "load_once",
    "native_crash",
    "once",
    "own_forks",
    "reseed",
    "run_once",
    "sigterm",
    "snapshot",
    "warmup",
)
