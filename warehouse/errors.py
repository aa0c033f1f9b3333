"""Errors that a person reads: what is wrong, where, and what to do."""


class OpcoError(Exception):
    """A failure of the run or its surroundings (exit code 1)."""

    exit_code = 1


class UserError(OpcoError):
    """A mistake in what was asked or delivered (exit code 2)."""

    exit_code = 2


class HalfDoneError(OpcoError):
    """A failure after a part of the work; the message says which part is done, so that none is put in its place."""
