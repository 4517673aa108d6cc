"""How a command ends when it cannot do what was asked: one sentence and an exit code."""

from __future__ import annotations


class CommandError(Exception):
    """Failed while working (exit code 1). Its text is one sentence for a person: what is wrong, what to do."""

    exit_code = 1


class BadInput(CommandError):
    """What was given cannot be used (exit code 2)."""

    exit_code = 2


class Refused(CommandError):
    """There was nothing to change, or changing it was not safe (exit code 3)."""

    exit_code = 3
