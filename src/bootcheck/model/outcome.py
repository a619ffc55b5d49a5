"""The two vocabularies of a checkpoint: how it came out, and which part of a life it belongs to.

Words rather than `enum.Enum`: making two of those costs as much as importing four modules, and
every boot would pay for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from typing_extensions import Self


class Word(str):
    """A member of a closed vocabulary: equal to its text, and one object per word."""

    __slots__ = ()
    known: ClassVar[dict[str, Any]]

    def __new__(cls, word: str) -> Self:
        """Return the member of that name; ValueError where there is none."""
        found: Self | None = cls.known.get(word)
        if found is None:
            msg = f"{word!r} is none of {', '.join(cls.known)}"
            raise ValueError(msg)
        return found

    @property
    def value(self) -> str:
        """The word as a plain string."""
        return str.__str__(self)

    @classmethod
    def _spell(cls, *words: str) -> None:
        cls.known = {word: str.__new__(cls, word) for word in words}
        for word, member in cls.known.items():
            setattr(cls, word.upper(), member)


class Outcome(Word):
    """How a checkpoint came out; `entered` opens a step, the others close it or stand alone."""

    __slots__ = ()
    ENTERED: ClassVar[Outcome]
    PASSED: ClassVar[Outcome]
    FAILED: ClassVar[Outcome]
    SKIPPED: ClassVar[Outcome]


class Phase(Word):
    """The part of a process's life that a checkpoint belongs to."""

    __slots__ = ()
    SERVER: ClassVar[Phase]
    ENVIRONMENT: ClassVar[Phase]
    CONFIGURATION: ClassVar[Phase]
    DATABASE: ClassVar[Phase]
    WORKER: ClassVar[Phase]
    MODELS: ClassVar[Phase]
    INITIALISATION: ClassVar[Phase]
    APP: ClassVar[Phase]
    EXIT: ClassVar[Phase]


Outcome._spell("entered", "passed", "failed", "skipped")  # noqa: SLF001
Phase._spell(  # noqa: SLF001
    "server", "environment", "configuration", "database", "worker", "models", "initialisation", "app", "exit"
)
