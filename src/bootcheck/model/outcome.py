"""The two vocabularies of a checkpoint: how it came out, and which part of a life it belongs to."""

from __future__ import annotations

from enum import Enum


class Outcome(str, Enum):
    """How a checkpoint came out; `entered` opens a step, the others close it or stand alone."""

    ENTERED = "entered"
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"

    __str__ = str.__str__


class Phase(str, Enum):
    """The part of a process's life that a checkpoint belongs to."""

    SERVER = "server"
    ENVIRONMENT = "environment"
    CONFIGURATION = "configuration"
    DATABASE = "database"
    WORKER = "worker"
    MODELS = "models"
    INITIALISATION = "initialisation"
    APP = "app"
    EXIT = "exit"

    __str__ = str.__str__
