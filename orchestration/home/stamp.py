"""The home's stamp: which form its files have, so that a program too old for them changes nothing in them."""

from __future__ import annotations

import json
from importlib.metadata import version

from orchestration.home.migration import migrate_home
from orchestration.home.paths import Home
from warehouse.errors import OpcoError
from warehouse.files import written_atomically

HOME_FORMAT = 1
"""Goes up with a change that an older program would not survive. A home without a stamp has format 1."""


def check_home(home: Home) -> None:
    """Raise OpcoError where a newer program has written to the home in a form that this one does not know."""
    found, written_by = _read(home)
    if found > HOME_FORMAT:
        raise OpcoError(
            f"The home {home.folder} is newer than this program: opco-warehouse {written_by} wrote it, in format "
            f"{found}, and {version('opco-warehouse')} knows formats up to {HOME_FORMAT}. Nothing was changed.\n"
            f"Install opco-warehouse {written_by} or later, or name another home."
        )


def stamp_home(home: Home) -> None:
    """Bring the home's files to this program's form, and write that form and the version into it."""
    check_home(home)
    migrate_home(home)
    stamp = {"format": HOME_FORMAT, "opco_version": version("opco-warehouse")}
    if _read(home) != tuple(stamp.values()) or not home.stamp.exists():
        with written_atomically(home.stamp) as temporary:
            temporary.write_text(json.dumps(stamp) + "\n", encoding="utf-8")


def _read(home: Home) -> tuple[int, str]:
    try:
        stamp = json.loads(home.stamp.read_text(encoding="utf-8"))
        return int(stamp["format"]), str(stamp["opco_version"])
    except FileNotFoundError:
        return 1, version("opco-warehouse")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OpcoError(
            f"{home.stamp} cannot be read ({error}). Restore it from a backup; without it nobody knows whether this "
            "program may write to the home."
        ) from error
