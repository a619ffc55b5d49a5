"""Who sent this process a signal: pid, uid and command line, kept by a handler in front of the one that was there.

bootcheck_siginfo.watch(signal.SIGTERM)
...
for arrival in bootcheck_siginfo.take():
    ...
"""

from __future__ import annotations

from bootcheck_siginfo._siginfo import COMMAND_SIZE, Arrival, lost, take, unwatch, watch

__all__ = [
    "COMMAND_SIZE",
    "SI_KERNEL",
    "SI_QUEUE",
    "SI_TKILL",
    "SI_USER",
    "Arrival",
    "lost",
    "take",
    "unwatch",
    "watch",
]

SI_USER = 0
"""Sent with kill(2): pid and uid are the sender's."""
SI_QUEUE = -1
"""Sent with sigqueue(3): pid and uid are the sender's."""
SI_TKILL = -6
"""Sent to one thread, as raise(3) does: pid and uid are the sender's."""
SI_KERNEL = 0x80
"""Sent by the kernel: a key of the terminal, a hangup."""
