from typing import NamedTuple

COMMAND_SIZE: int

class Arrival(NamedTuple):
    signo: int
    code: int
    pid: int
    uid: int
    at: float
    name: bytes
    command: bytes
    parent: int
    parent_command: bytes

def watch(signo: int, /) -> bool: ...
def unwatch(signo: int, /) -> bool: ...
def take() -> list[Arrival]: ...
def lost() -> int: ...
