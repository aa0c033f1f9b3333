"""The machine's account that runs this process: who a command, a night or a change of the archive was by."""

from __future__ import annotations

import getpass
import os


def account() -> str:
    """Return the account's name; its number where it has no name, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
