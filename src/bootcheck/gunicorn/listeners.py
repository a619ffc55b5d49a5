"""Whether a worker can still be reached: code that closes every descriptor closes its listeners as well."""

from __future__ import annotations

import socket
from typing import Any


def deaf(worker: Any) -> bool:
    """Tell whether no socket that this worker was given listens any more; False for a worker that was given none."""
    sockets = list(getattr(worker, "sockets", None) or ())
    return bool(sockets) and not any(_listens(one) for one in sockets)


def _listens(one: Any) -> bool:
    try:
        return bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        # Closed, or the number is another file's by now.
        return False
