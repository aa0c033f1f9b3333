"""Errors that a person reads: what is wrong, where, and what to do."""

import sqlite3


class OpcoError(Exception):
    """A failure of the run or its surroundings (exit code 1)."""

    exit_code = 1


class UserError(OpcoError):
    """A mistake in what was asked or delivered (exit code 2)."""

    exit_code = 2


class HalfDoneError(OpcoError):
    """A failure after a part of the work; the message says which part is done, so that none is put in its place."""


def tells_of_damage(error: BaseException) -> bool:
    """Tell whether SQLite says of a file that it is damaged, or none of its databases."""
    # What Python's module itself raises has no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
