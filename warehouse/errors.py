"""Errors that a person reads: what is wrong, where, and what to do."""


class OpcoError(Exception):
    """A failure of the run or its surroundings (exit code 1)."""

    exit_code = 1


class UserError(OpcoError):
    """A mistake in what was asked or delivered (exit code 2)."""

    exit_code = 2
